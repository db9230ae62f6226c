"""The constructs for other CDKTF programs. The wheel contains this file as `astro_on_aws/__init__.py`.

    from astro_on_aws import Cluster, Network, ConnectionContext, VpcPeering, VpcPeeringProps

Each folder of `modules/` has a construct and its props: `vpc_peering` has `VpcPeering` and `VpcPeeringProps`. Props
accept the fields of an entry in an estate file, and raise pydantic's ValidationError. `load` and `build` place a whole
estate in your app.

Names are imported on first use. Props load no cdktf. A construct loads only the AWS resources that it creates, if you
import this package before `cdktf_cdktf_provider_aws`.
"""

import importlib
import re
from typing import Any

OTHERS = {
    "Cluster": "modules.cluster",
    "Network": "modules.context",
    "ConnectionContext": "modules.context",
    "Estate": "estate.model",
    "EstateError": "estate.load",
    "load": "estate.load",
    "build": "stacks.app",
}


def __getattr__(name: str) -> Any:
    folder = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removesuffix("Props")).lower()
    home = OTHERS.get(name) or f"modules.{folder}.{'props' if name.endswith('Props') else 'construct'}"
    if home.endswith((".construct", ".app")):
        importlib.import_module(f"{__name__}.modules.bindings.prepare").prepare()
    try:
        return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        # The folder does not exist, or its file has no construct.
        if error.name not in (f"{__name__}.modules.{folder}", f"{__name__}.{home}"):
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
