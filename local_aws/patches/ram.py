from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.ram import urls
from moto.ram.exceptions import UnknownResourceException
from moto.ram.models import ResourceAccessManagerBackend, ResourceShare, ram_backends
from moto.ram.responses import ResourceAccessManagerResponse

from .. import clock
from .tools import kept, of_every_account, patch

# The lifetime of an invitation, by the type of the shared resource (facts C8); an empty share has the longer one.
_SEVEN_DAYS = ("prefix-list", "resolver-rule", "transit-gateway")

_create_resource_share = ResourceAccessManagerBackend.create_resource_share

for _operation in (
    "acceptresourceshareinvitation",
    "associateresourceshare",
    "disassociateresourceshare",
    "getresourceshareinvitations",
    "listresources",
    "listresourcesharepermissions",
    "rejectresourceshareinvitation",
    "tagresource",
    "untagresource",
):
    urls.url_paths[f"{{0}}/{_operation}$"] = ResourceAccessManagerResponse.dispatch


def _shares(region: str) -> Iterator[ResourceShare]:
    for backend in of_every_account(ram_backends, region):
        yield from list(backend.resource_shares)


def _share(region: str, arn: str) -> ResourceShare:
    found = next((share for share in _shares(region) if share.arn == arn and share.status == "ACTIVE"), None)
    if found is None:
        raise UnknownResourceException(f"ResourceShare {arn} could not be found.")
    return found


def _tags(share: ResourceShare) -> dict[str, str]:
    return kept(share, "tags", {})


def _invitations(share: ResourceShare) -> list[dict[str, Any]]:
    return kept(share, "invitations", [])


def _invite(share: ResourceShare, principals: list[str]) -> None:
    for account in principals:
        if re.fullmatch(r"\d{12}", account):
            arn = f"arn:aws:ram:{share.region}:{share.account_id}:resource-share-invitation/{uuid.uuid4()}"
            invitation = {
                "resourceShareInvitationArn": arn,
                "resourceShareArn": share.arn,
                "resourceShareName": share.name,
                "senderAccountId": share.account_id,
                "receiverAccountId": account,
                "invitationTimestamp": clock.now().timestamp(),
                "status": "PENDING",
            }
            _invitations(share).append(invitation)


def _status(share: ResourceShare, invitation: dict[str, Any]) -> str:
    """Return the current status of an invitation; it expires even if nobody reads it."""
    kinds = {arn.split(":")[5].split("/")[0] for arn in share.resource_arns}
    open_for = timedelta(days=7) if not kinds or kinds & {*_SEVEN_DAYS} else timedelta(hours=12)
    late = clock.now().timestamp() - invitation["invitationTimestamp"] > open_for.total_seconds()
    return "EXPIRED" if invitation["status"] == "PENDING" and late else invitation["status"]


def _association(share: ResourceShare, principal: str) -> str:
    """Return the status of a principal. An account must accept before its invitation expires."""
    received = [one for one in _invitations(share) if one["receiverAccountId"] == principal]
    if not received:
        return "ASSOCIATED"
    by_answer = {"PENDING": "ASSOCIATING", "ACCEPTED": "ASSOCIATED"}
    return by_answer.get(_status(share, received[-1]), "DISASSOCIATED")


def _has_accepted(share: ResourceShare, account: str) -> bool:
    return account in share.principals and _association(share, account) == "ASSOCIATED"


def _check_owner(share: ResourceShare, resources: list[str]) -> None:
    for arn in resources:
        if arn.split(":")[4] != share.account_id:
            message = f"The resource {arn} is not owned by account {share.account_id}, so it cannot share it."
            raise JsonRESTError("OperationNotPermittedException", message)


def is_shared(resource_arn: str, account: str) -> bool:
    """Return whether the account accepted a share that contains the resource."""
    region = resource_arn.split(":")[3]
    return any(
        share.status == "ACTIVE" and resource_arn in share.resource_arns and _has_accepted(share, account)
        for share in _shares(region)
    )


def share(owner: ResourceAccessManagerBackend, resource_arn: str, account: str) -> None:
    """Share a resource with an account that accepts it at once."""
    owner.create_resource_share(name="exists already", resourceArns=[resource_arn], principals=[account])
    for invitation in _invitations(owner.resource_shares[-1]):
        invitation["status"] = "ACCEPTED"


@patch(ResourceAccessManagerBackend)
def create_resource_share(self: ResourceAccessManagerBackend, **kwargs: Any) -> dict[str, Any]:
    """Keep tags, invite accounts, and refuse resources of other accounts; moto does none of these."""
    answer = _create_resource_share(self, **kwargs)
    share = self.resource_shares[-1]
    try:
        _check_owner(share, kwargs.get("resourceArns", []))
    except JsonRESTError:
        self.resource_shares.remove(share)
        raise
    _tags(share).update({tag["key"]: tag["value"] for tag in kwargs.get("tags", [])})
    _invite(share, kwargs.get("principals", []))
    return answer


@patch(ResourceAccessManagerResponse)
def get_resource_shares(self: ResourceAccessManagerResponse) -> str:
    """Apply filters, return tags and support OTHER-ACCOUNTS; moto does none of these."""
    asked, me = self.request_params, self.current_account
    found = []
    for share in _shares(self.region):
        mine = share.account_id == me
        if mine if asked["resourceOwner"] == "OTHER-ACCOUNTS" else not mine:
            continue
        if not mine and not _has_accepted(share, me):
            continue
        if share.arn not in asked.get("resourceShareArns", [share.arn]):
            continue
        if asked.get("name", share.name) != share.name:
            continue
        if asked.get("resourceShareStatus", share.status) != share.status:
            continue
        tags = [{"key": key, "value": value} for key, value in _tags(share).items()]
        found.append({**share.describe(), "tags": tags})
    return json.dumps({"resourceShares": found})


def _associated_since(share: ResourceShare, entity: str) -> float:
    """Return the time of an association; for an account, the time of its last invitation."""
    invited = [one["invitationTimestamp"] for one in _invitations(share) if one["receiverAccountId"] == entity]
    return invited[-1] if invited else kept(share, "associated", clock.now().timestamp())


def _associations(
    share: ResourceShare, kind: str, entities: list[str], status: str | None = None
) -> list[dict[str, Any]]:
    """Return associations as they are, or with the status that a call has just set."""
    by_itself = (lambda entity: _association(share, entity)) if kind == "PRINCIPAL" else (lambda _: "ASSOCIATED")
    return [
        {
            "resourceShareArn": share.arn,
            "resourceShareName": share.name,
            "associatedEntity": entity,
            "associationType": kind,
            "status": status or by_itself(entity),
            "external": kind == "PRINCIPAL",
            "creationTime": _associated_since(share, entity),
        }
        for entity in entities
    ]


@patch(ResourceAccessManagerResponse)
def associate_resource_share(self: ResourceAccessManagerResponse) -> str:
    """Implement an operation that moto lacks. An account whose invitation has expired is invited again."""
    asked = self.request_params
    share = _share(self.region, asked["resourceShareArn"])
    resources = [arn for arn in asked.get("resourceArns", []) if arn not in share.resource_arns]
    _check_owner(share, resources)
    live = [one for one in share.principals if _association(share, one) != "DISASSOCIATED"]
    principals = [principal for principal in asked.get("principals", []) if principal not in live]
    share.add_resources(resources)
    share.add_principals([principal for principal in principals if principal not in share.principals])
    _invite(share, principals)
    made = _associations(share, "RESOURCE", resources) + _associations(share, "PRINCIPAL", principals)
    return json.dumps({"resourceShareAssociations": made})


@patch(ResourceAccessManagerResponse)
def disassociate_resource_share(self: ResourceAccessManagerResponse) -> str:
    """Implement an operation that moto lacks."""
    asked = self.request_params
    share = _share(self.region, asked["resourceShareArn"])
    resources, principals = asked.get("resourceArns", []), asked.get("principals", [])
    share.resource_arns = [arn for arn in share.resource_arns if arn not in resources]
    share.principals = [principal for principal in share.principals if principal not in principals]
    # An account that is invited again gets a new invitation.
    _invitations(share)[:] = [one for one in _invitations(share) if one["receiverAccountId"] not in principals]
    ended = _associations(share, "RESOURCE", resources, "DISASSOCIATED")
    ended += _associations(share, "PRINCIPAL", principals, "DISASSOCIATED")
    return json.dumps({"resourceShareAssociations": ended})


@patch(ResourceAccessManagerResponse)
def get_resource_share_associations(self: ResourceAccessManagerResponse) -> str:
    """Disassociate a deleted share, and associate with a share of another account; moto does neither."""
    asked = self.request_params
    kind = asked["associationType"]
    wanted = asked.get("principal") or asked.get("resourceArn")
    found = []
    for share in _shares(self.region):
        if share.status != "ACTIVE" or share.arn not in asked.get("resourceShareArns", [share.arn]):
            continue
        if share.account_id != self.current_account and not _has_accepted(share, self.current_account):
            continue
        entities = share.principals if kind == "PRINCIPAL" else share.resource_arns
        kept = [entity for entity in entities if wanted in (None, entity)]
        found += _associations(share, kind, kept)
    status = asked.get("associationStatus")
    return json.dumps({"resourceShareAssociations": [one for one in found if status in (None, one["status"])]})


@patch(ResourceAccessManagerResponse)
def list_resource_share_permissions(self: ResourceAccessManagerResponse) -> str:  # noqa: ARG001
    """Implement an operation that moto lacks; the AWS provider calls it for every share."""
    return json.dumps({"permissions": []})


@patch(ResourceAccessManagerResponse)
def list_resources(self: ResourceAccessManagerResponse) -> str:
    """Implement an operation that moto lacks."""
    found = []
    for arn in self.request_params.get("resourceShareArns", []):
        for resource in _share(self.region, arn).resource_arns:
            service, kind = resource.split(":")[2], resource.split(":")[5].split("/")[0]
            found.append({"arn": resource, "resourceShareArn": arn, "status": "AVAILABLE", "type": f"{service}:{kind}"})
    return json.dumps({"resources": found})


@patch(ResourceAccessManagerResponse)
def get_resource_share_invitations(self: ResourceAccessManagerResponse) -> str:
    """Implement an operation that moto lacks."""
    asked = self.request_params
    found = [
        {**invitation, "status": _status(share, invitation)}
        for share in _shares(self.region)
        for invitation in _invitations(share)
        if share.status == "ACTIVE"
        and invitation["receiverAccountId"] == self.current_account
        and share.arn in asked.get("resourceShareArns", [share.arn])
        and invitation["resourceShareInvitationArn"]
        in asked.get("resourceShareInvitationArns", [invitation["resourceShareInvitationArn"]])
    ]
    return json.dumps({"resourceShareInvitations": found})


def _answer(response: ResourceAccessManagerResponse, status: str) -> str:
    arn, me = response.request_params["resourceShareInvitationArn"], response.current_account
    for share in _shares(response.region):
        for invitation in _invitations(share):
            if (invitation["resourceShareInvitationArn"], invitation["receiverAccountId"]) != (arn, me):
                continue
            if (now := _status(share, invitation)) != "PENDING":
                code = {"EXPIRED": "Expired", "ACCEPTED": "AlreadyAccepted", "REJECTED": "AlreadyRejected"}[now]
                message = f"ResourceShareInvitation {arn} is {now.lower()}."
                raise JsonRESTError(f"ResourceShareInvitation{code}Exception", message)
            invitation["status"] = status
            return json.dumps({"resourceShareInvitation": invitation})
    message = f"ResourceShareInvitation {arn} could not be found."
    raise JsonRESTError("ResourceShareInvitationArnNotFoundException", message)


@patch(ResourceAccessManagerResponse)
def accept_resource_share_invitation(self: ResourceAccessManagerResponse) -> str:
    """Implement an operation that moto lacks."""
    return _answer(self, "ACCEPTED")


@patch(ResourceAccessManagerResponse)
def reject_resource_share_invitation(self: ResourceAccessManagerResponse) -> str:
    """Implement an operation that moto lacks."""
    return _answer(self, "REJECTED")


@patch(ResourceAccessManagerResponse)
def tag_resource(self: ResourceAccessManagerResponse) -> str:
    """Implement an operation that moto lacks."""
    asked = self.request_params
    _tags(_share(self.region, asked["resourceShareArn"])).update({tag["key"]: tag["value"] for tag in asked["tags"]})
    return "{}"


@patch(ResourceAccessManagerResponse)
def untag_resource(self: ResourceAccessManagerResponse) -> str:
    """Implement an operation that moto lacks."""
    asked = self.request_params
    for key in asked["tagKeys"]:
        _tags(_share(self.region, asked["resourceShareArn"])).pop(key, None)
    return "{}"
