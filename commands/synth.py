"""The command `main.py synth`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from commands.current import current
from commands.options import EstateFile, Syntax
from estate.errors import ExitCode, UserError
from estate.source import printable


def synth(
    file: EstateFile = Path("astro.yaml"),
    out: Annotated[Path, typer.Option(envvar="CDKTF_OUTDIR", metavar="DIR", help="The output directory.")] = Path(
        "cdktf.out"
    ),
    output: Annotated[
        Syntax, typer.Option(help="The syntax of the files. hcl needs Terraform, to format them.")
    ] = Syntax.JSON,
    hcl: Annotated[bool, typer.Option("--hcl", hidden=True, help="The former spelling of --output hcl.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing. Exit with 3 if the output is out of date.")
    ] = False,
) -> None:
    """Write the estate's Terraform to files that you can commit.

    Writes the same files as `cdktf synth`, with the same bytes on every machine. Deletes the files of stacks that are
    no longer in the estate, and files in the other syntax. Keeps all other files. --check also fails if Terraform would
    load other files, unless `terraform.own_files` in the estate lists them.

    \b
    Examples:
      main.py synth
      main.py synth --file dev.yaml --out cdktf.out-dev
      main.py synth --out terraform --output hcl
      main.py synth --out terraform --check

    Exit codes: 0 done, 1 failed, 2 invalid input, 3 the output is out of date (--check).
    """
    from operations.loaded import foreign_files
    from operations.output import compare, files, summary
    from operations.owner import refuse_foreign_folder
    from operations.synth import synthesized, write

    hcl = hcl or output is Syntax.HCL
    estate = current(file)
    if not check:
        refuse_foreign_folder(out, estate, file)
        installed = write(estate, file, out, os.environ, hcl=hcl)
        for removed in installed.deleted:
            gone = not any((out / removed.parent).glob("cdk.tf*"))
            print(f"{out / removed}: deleted{'; its deployed resources remain until you destroy them' * gone}")
        print(f"{out} {'holds' if installed.written else 'is up to date:'} {summary(out)}")
        return

    with synthesized(estate, file, os.environ, hcl=hcl) as fresh:
        changes = list(compare(out, fresh))
        foreign = list(foreign_files(out, files(out) | files(fresh), estate.terraform.own_files))
    for line in (*changes, *foreign):
        print(printable(line))
    if changes:
        command = f"main.py synth {file} --out {out}{' --output hcl' * hcl}"
        raise UserError(f"{out} is out of date with {file}; regenerate it with: {command}", ExitCode.CHECK_FAILED)
    if foreign:
        raise UserError(
            f"{out} has files that {file} does not generate, and Terraform would load them", ExitCode.CHECK_FAILED
        )
    print(f"{out} is up to date: {summary(out)}")
