"""The constructs, for a CDKTF program of your own. The wheel has this file as `astro_on_aws/__init__.py`.

    from astro_on_aws import Cluster, Network, ConnectionContext, VpcPeering, VpcPeeringProps

Each folder of `modules/` gives a construct and its props: `vpc_peering` gives `VpcPeering` and `VpcPeeringProps`. Props
take what the entry of an estate file takes, and raise pydantic's ValidationError. `load` and `build` place a whole
estate in your app. A name is imported when it is asked for: props load no cdktf, and a construct loads the AWS
resources that it makes and no others, if this package is imported before `cdktf_cdktf_provider_aws` is.
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
        # No such folder, or a file of its name that holds no construct.
        if error.name not in (f"{__name__}.modules.{folder}", f"{__name__}.{home}"):
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
