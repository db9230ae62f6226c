"""The call without a command, by `cdktf`."""

import os
from pathlib import Path

from commands.current import estate_file, warn_of_expired
from estate.load import load
from estate.source import Source
from operations.cdktf_call import prepare
from operations.synth import write


def synthesize() -> None:
    """Synthesize the estate into the folder of `cdktf`, in its format."""
    file = estate_file()
    out = Path(os.environ.get("CDKTF_OUTDIR", "cdktf.out"))
    hcl = os.environ.get("SYNTH_HCL_OUTPUT") == "true"
    estate = load(file, source := Source(file))
    warn_of_expired(file, estate, source, prepare(estate, file, out, os.environ, os.getppid()))
    write(estate, file, out, os.environ, hcl=hcl)
