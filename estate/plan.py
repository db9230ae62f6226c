"""The Terraform stacks of an estate. Only this module decides which stacks exist."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from estate.model import Account, Estate
from estate.renames import former_name
from modules.cluster import vcpus_by_region
from modules.entry import Secret
from modules.policy_alarm.events import IAM_REGION


@dataclass(frozen=True)
class StackPlan:
    """One Terraform stack: one state, one AWS account, one region."""

    name: str
    kind: Literal["regions", "account", "alarm", "quotas", "network"]
    account_id: str
    region: str
    network: str | None = None
    """The entry of `networks` that the stack creates. None for the stacks of `account`."""
    former: str | None = None
    """The first name of a stack that was renamed."""

    @property
    def state_name(self) -> str:
        """Return the name of its state."""
        return self.former or self.name


def stacks_of(estate: Estate) -> list[StackPlan]:
    """Return the stacks in the order of a first deployment."""
    networks = (
        StackPlan(
            network_stack(name),
            "network",
            network.account_id,
            network.region,
            name,
            former=network_stack(former) if (former := former_name(estate, ("networks",), name)) != name else None,
        )
        for name, network in estate.networks.items()
    )
    return [*(_account_stacks(estate, estate.account) if estate.account else ()), *networks]


def _account_stacks(estate: Estate, account: Account) -> Iterator[StackPlan]:
    if account.opt_in_region:
        # Enabled from a region that every account has, because the account's own region can be a disabled one.
        yield StackPlan("regions", "regions", account.account_id, "us-east-1")
    yield StackPlan("account", "account", account.account_id, account.region)
    if account.policy_alarm and account.region != IAM_REGION:
        yield StackPlan("alarm", "alarm", account.account_id, IAM_REGION)
    if account.service_quotas:
        for region in vcpus_by_region(estate.data_plane().values()) or (account.region,):
            yield StackPlan(f"quotas-{region}", "quotas", account.account_id, region)


def network_stack(name: str) -> str:
    """Return the name of the stack of an entry of `networks`."""
    return f"network-{name}"


def secrets(estate: Estate) -> Iterator[tuple[str, str, Secret]]:
    """Yield the stack, the variable's name and the description of each secret that Terraform prompts for."""
    if estate.account:
        for secret in estate.account.cross_account_role.secrets():
            yield "account", secret.variable(), secret
    for name, connection in estate.connections.items():
        for secret in connection.secrets():
            yield network_stack(connection.network), secret.variable(name), secret
