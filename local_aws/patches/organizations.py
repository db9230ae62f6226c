from __future__ import annotations

from typing import Any

from moto.organizations.exceptions import AWSOrganizationsNotInUseException
from moto.organizations.models import OrganizationsBackend

from .tools import patch


@patch(OrganizationsBackend)
def list_aws_service_access_for_organization(self: OrganizationsBackend) -> dict[str, Any]:
    """Refuse the call in an account without an organization; moto answers with an empty list."""
    if self.org is None:
        raise AWSOrganizationsNotInUseException
    return {"EnabledServicePrincipals": self.services}
