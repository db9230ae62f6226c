from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.models import ServiceQuotasBackend
from moto.servicequotas.responses import ServiceQuotasResponse

from .. import clock
from .tools import kept, patch

_get_default = ServiceQuotasBackend.get_service_quota

# A quota of a service that moto lacks gets the default of EC2's vCPUs for a new account.
_UNKNOWN = 5.0
# AWS grants small requests in minutes and others in days; here every request takes an hour.
_CONSIDERED = timedelta(hours=1)


def _requests(backend: ServiceQuotasBackend) -> list[dict[str, Any]]:
    """Return all requests, after granting those that have waited long enough."""
    requests: list[dict[str, Any]] = kept(backend, "requests", [])
    for request in requests:
        waited = clock.now().timestamp() - request["Created"] >= _CONSIDERED.total_seconds()
        request["Status"] = "APPROVED" if waited else "PENDING"
    return requests


def _default(backend: ServiceQuotasBackend, service_code: str, quota_code: str) -> dict[str, Any]:
    try:
        return {**_get_default(backend, service_code, quota_code), "Adjustable": True}
    except NoSuchResource:
        arn = f"arn:aws:servicequotas:{backend.region_name}:{backend.account_id}:{service_code}/{quota_code}"
        return {
            "ServiceCode": service_code,
            "ServiceName": service_code,
            "QuotaCode": quota_code,
            "QuotaName": quota_code,
            "QuotaArn": arn,
            "Value": _UNKNOWN,
            "Adjustable": True,
            "GlobalQuota": False,
        }


@patch(ServiceQuotasBackend)
def get_service_quota(self: ServiceQuotasBackend, service_code: str, quota_code: str) -> dict[str, Any]:
    """Return granted increases, and quotas of all services; moto has only the defaults of VPC."""
    quota = _default(self, service_code, quota_code)
    granted = [
        request["DesiredValue"]
        for request in _requests(self)
        if request["QuotaCode"] == quota_code and request["Status"] == "APPROVED"
    ]
    return {**quota, "Value": max([quota["Value"], *granted])}


@patch(ServiceQuotasResponse)
def get_aws_default_service_quota(self: ServiceQuotasResponse) -> str:
    """Implement an operation that moto lacks."""
    asked = json.loads(self.body)
    return json.dumps({"Quota": _default(self.backend, asked["ServiceCode"], asked["QuotaCode"])})


@patch(ServiceQuotasResponse)
def request_service_quota_increase(self: ServiceQuotasResponse) -> str:
    """Implement an operation that moto lacks."""
    asked = json.loads(self.body)
    current = self.backend.get_service_quota(asked["ServiceCode"], asked["QuotaCode"])["Value"]
    if asked["DesiredValue"] <= current:
        message = f"You must provide a quota value greater than the current quota value, {current}."
        raise JsonRESTError("IllegalArgumentException", message)
    same = [one for one in _requests(self.backend) if one["QuotaCode"] == asked["QuotaCode"]]
    if any(one["Status"] == "PENDING" for one in same):
        message = "Only one open service quota increase request is allowed per quota."
        raise JsonRESTError("ResourceAlreadyExistsException", message)
    request = {
        "Id": uuid.uuid4().hex,
        "ServiceCode": asked["ServiceCode"],
        "QuotaCode": asked["QuotaCode"],
        "DesiredValue": asked["DesiredValue"],
        "Status": "PENDING",
        "Created": clock.now().timestamp(),
    }
    _requests(self.backend).append(request)
    return json.dumps({"RequestedQuota": request})


@patch(ServiceQuotasResponse)
def get_requested_service_quota_change(self: ServiceQuotasResponse) -> str:
    """Implement an operation that moto lacks."""
    wanted = json.loads(self.body)["RequestId"]
    found = next((request for request in _requests(self.backend) if request["Id"] == wanted), None)
    if found is None:
        raise NoSuchResource
    return json.dumps({"RequestedQuota": found})


@patch(ServiceQuotasResponse)
def list_requested_service_quota_change_history_by_quota(self: ServiceQuotasResponse) -> str:
    """Implement an operation that moto lacks."""
    wanted = json.loads(self.body)["QuotaCode"]
    found = [request for request in _requests(self.backend) if request["QuotaCode"] == wanted]
    return json.dumps({"RequestedQuotas": found})
