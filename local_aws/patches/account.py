from __future__ import annotations

from moto.account import urls
from moto.account.models import account_backends
from moto.account.responses import AccountResponse
from moto.core.responses import ActionResult, EmptyResult

from .tools import kept, patch

# Opt-in regions, which an account has to enable; all others are ENABLED_BY_DEFAULT.
_OPT_IN = {
    *("af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5"),
    *("ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1"),
    *("me-central-1", "me-south-1", "mx-central-1"),
}

for operation in ("getRegionOptStatus", "enableRegion", "disableRegion"):
    urls.url_paths[f"{{0}}/{operation}$"] = AccountResponse.dispatch


def _chosen_regions(response: AccountResponse) -> dict[str, str]:
    backend = account_backends[response._get_account_id()][response.partition]
    return kept(backend, "chosen_regions", {})


@patch(AccountResponse)
def get_region_opt_status(self: AccountResponse) -> ActionResult:
    """Implement an operation that moto lacks."""
    region = self._get_param("RegionName")
    default = "DISABLED" if region in _OPT_IN else "ENABLED_BY_DEFAULT"
    return ActionResult({"RegionName": region, "RegionOptStatus": _chosen_regions(self).get(region, default)})


@patch(AccountResponse)
def enable_region(self: AccountResponse) -> ActionResult:
    """Implement an operation that moto lacks."""
    _chosen_regions(self)[self._get_param("RegionName")] = "ENABLED"
    return EmptyResult()


@patch(AccountResponse)
def disable_region(self: AccountResponse) -> ActionResult:
    """Implement an operation that moto lacks."""
    _chosen_regions(self)[self._get_param("RegionName")] = "DISABLED"
    return EmptyResult()
