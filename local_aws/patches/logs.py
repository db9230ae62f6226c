from __future__ import annotations

from typing import Any

from moto.kms.models import kms_backends
from moto.logs.exceptions import InvalidParameterException, ResourceNotFoundException
from moto.logs.metric_filters import MetricFilters
from moto.logs.models import LogGroup
from moto.logs.responses import LogsResponse

from .tools import patch

_add_filter = MetricFilters.add_filter


@patch(MetricFilters)
def add_filter(
    self: MetricFilters, filter_name: str, filter_pattern: str, log_group_name: str, metric_transformations: Any
) -> None:
    """Replace a filter of the same name; moto adds a second one."""
    same = [f for f in self.metric_filters if (f["filterName"], f["logGroupName"]) == (filter_name, log_group_name)]
    for old in same:
        self.metric_filters.remove(old)
    _add_filter(self, filter_name, filter_pattern, log_group_name, metric_transformations)


@patch(LogsResponse)
def associate_kms_key(self: LogsResponse) -> str:
    """Implement an operation that moto lacks. A key that does not exist or is disabled is refused."""
    arn = self._get_param("kmsKeyId")
    _, _, _, _, account, key = arn.split(":", 5)
    found = kms_backends[account][self.region].keys.get(key.removeprefix("key/"))
    if found is None or found.key_state != "Enabled":
        raise InvalidParameterException("The specified KMS key does not exist or is not enabled.")
    _group(self).kms_key_id = arn
    return ""


@patch(LogsResponse)
def disassociate_kms_key(self: LogsResponse) -> str:
    """Implement an operation that moto lacks."""
    _group(self).kms_key_id = None
    return ""


def _group(response: LogsResponse) -> LogGroup:
    if group := response.logs_backend.groups.get(response._get_param("logGroupName")):
        return group
    raise ResourceNotFoundException()
