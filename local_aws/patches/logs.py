from __future__ import annotations

from typing import Any

from moto.logs.metric_filters import MetricFilters

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
