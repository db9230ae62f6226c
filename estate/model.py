"""The estate: one YAML file as one frozen model. `load` reads and validates it."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from pydantic import Field

from estate.controls import Controls
from estate.source import Problem
from estate.state import State
from estate.twins import INHERITED, TWIN
from modules.astronomer import Product
from modules.catalog import Connection
from modules.cluster import Cluster
from modules.context import CheckedProps
from modules.cross_account_role.props import CrossAccountRoleProps
from modules.entry import PendingInput
from modules.opt_in_region.props import OptInRegionProps
from modules.policy_alarm.props import PolicyAlarmProps
from modules.service_quotas.props import ServiceQuotasProps
from modules.tags import Tags
from modules.vocabulary import AccountId, Day, Props, Reason, Region, RoleName, Slug, Text, partition
from modules.vpc.props import VpcProps

SECTIONS = ("clusters", "networks", "connections")
"""The sections whose keys are names."""

OrganizationName = Annotated[
    str,
    Text(
        "a name",
        r"[a-z](?:-?[a-z0-9])*",
        "1 to 57 lowercase letters, digits and single hyphens, beginning with a letter",
        "data-lake",
        longest=57,
    ),
]
"""A label of DNS has at most 63 characters, and that of one of Astronomer's domains begins with `astro-`."""


SessionName = Annotated[
    str, Text("a session name", r"[\w+=,.@-]{2,64}", "2 to 64 letters, digits and _+=,.@-", "astro-terraform")
]


# 5.100 is the first version with every argument in use here, and version 7 may remove some.
_PROVIDER = r"(?:5\.[1-9]\d{2,}|6\.(?:0|[1-9]\d*))(?:\.\d+)?"


ProviderVersion = Annotated[
    str,
    Text(
        "an AWS provider version constraint",
        rf"(?:~> ?)?{_PROVIDER}|>= ?{_PROVIDER}, ?< ?7\.0",
        "~> VERSION, VERSION alone, or >= VERSION, < 7.0, where VERSION is 5.100 or newer, up to 6.x",
        "~> 6.0",
    ),
]


FormerPath = Annotated[
    str,
    Text(
        "the former path of an entry",
        r"(?:clusters|networks|connections)(?:\.[a-z][a-z0-9_-]*)+|account(?:\.[a-z][a-z0-9_-]*){3,}",
        "a path below clusters, networks, connections or account that ends in its former name",
        "connections.lake-peering",
    ),
]


class Astro(Props):
    """Your Astro organization."""

    product: Product
    """The product of clusters without `product`. `hybrid`: in your own AWS account. `hosted-dedicated`: in Astronomer's
    account, for you alone. `hosted-standard`: in Astronomer's account, shared with other organizations. The Astro UI
    shows Hybrid or Hosted as Product Type in Organization Settings > General, and lists dedicated clusters in
    Organization Settings > Clusters."""
    organization: OrganizationName
    """Its short name, as in <organization>.astronomer.run."""


OwnFile = Annotated[
    str,
    Text(
        "a file that Terraform loads with a stack",
        r"[a-z][a-z0-9-]*/[\w.-]+\.(?:tf|tofu|tfvars)(?:\.json)?",
        "the stack's name, a slash and a file that ends in .tf, .tofu or .tfvars, or in those and .json",
        "network-lake/backend_override.tf",
    ),
]


class Terraform(Props):
    """Requirements of the stacks for Terraform."""

    aws_provider: ProviderVersion = "~> 5.100"
    """The version constraint of the AWS provider, such as `~> 6.0`. It changes nothing else."""
    own_files: dict[OwnFile, Reason] = Field(default_factory=dict)
    """Your own files in the folders of stacks, such as `network-lake/backend_override.tf`, each with the reason for it.
    `main.py synth --check` reports every other file that Terraform would load."""


class Deployer(Props):
    """The role that Terraform assumes in each account of the estate. Without it, your own credentials are used."""

    role: RoleName
    session_name: SessionName | None = None
    """The name of its sessions, which CloudTrail records. Default: the provider's, such as aws-go-sdk-1700000000."""
    duration_minutes: Annotated[int, Field(ge=15, le=720)] | None = None
    """The duration of a session, up to the role's maximum. Default: 15 minutes, renewed while Terraform runs."""

    def arn(self, account_id: str, region: str) -> str:
        """Return the ARN of the role in an account, in the partition of a region."""
        return f"arn:{partition(region)}:iam::{account_id}:role/{self.role}"


ACCOUNT_SECTIONS = ("cross_account_role", "policy_alarm", "service_quotas", "opt_in_region")


class Account(Props):
    """The dedicated AWS account of an Astro Hybrid data plane."""

    account_id: AccountId
    region: Region
    without_hybrid_reason: Reason | None = None
    """The reason for an `account` section without Hybrid clusters. Default: this is an error, because Astronomer's role
    has broad permissions that Hosted clusters do not need."""
    cross_account_role: CrossAccountRoleProps
    policy_alarm: PolicyAlarmProps | None = None
    policy_alarm_removal_reason: Reason | None = None
    """The reason why a deployed alarm may be destroyed when `policy_alarm` is removed. Default: a plan fails."""
    service_quotas: ServiceQuotasProps | None = None
    opt_in_region: OptInRegionProps | None = None
    confirmed: Day | None = None
    """The date on which Astronomer and AWS had completed all of your requests in `main.py handoff`."""

    def sections(self) -> Iterator[tuple[str, CheckedProps]]:
        """Yield the existing sections by name."""
        yield from ((name, getattr(self, name)) for name in ACCOUNT_SECTIONS if getattr(self, name))


class Estate(Props):
    """Your side of Astro on AWS."""

    name: Slug
    """The prefix of names in AWS."""
    state: State
    """The backend of Terraform's state."""
    tags: Tags = Field(default_factory=dict, max_length=40)
    """Tags of every resource."""
    astro: Astro
    terraform: Terraform = Terraform()
    deployer: Deployer | None = None
    controls: Controls | None = None
    clusters: dict[Slug, Cluster] = Field(default_factory=dict)
    """Astronomer's side: its clusters."""
    account: Account | None = None
    networks: dict[Slug, VpcProps] = Field(default_factory=dict)
    """Your side: existing or new VPCs. Each is a Terraform stack with its connections."""
    connections: dict[Slug, Connection] = Field(default_factory=dict)
    """The connections between clusters and networks."""
    renamed: dict[FormerPath, Slug] = Field(default_factory=dict)
    """Names that changed after a deploy: the former path and the new name, such as `connections.lake: data-lake` or
    `connections.office.gateways.a: main`. Terraform then moves the resources and deletes nothing. Do not remove a line,
    because states and names in AWS keep the first name. All names in a path except the last are current ones."""

    def pending_inputs(self) -> Iterator[tuple[str, PendingInput]]:
        """Yield the inputs that other people still have to provide, with the entry that needs them: `connections.lake`,
        `clusters.prod`, or its twin `clusters.prod.dr`."""
        twins, waiting = self.twins(), dict[tuple[str, PendingInput], None]()
        needs: dict[str, list[PendingInput]] = {name: [] for name in self.clusters}
        for connection in self.connections.values():
            for name in connection.cluster_names():
                needs[name] += connection.needs_of_clusters
        for name, cluster in self.clusters.items():
            for pending in needs[name]:
                if getattr(cluster, pending.field) is None:
                    entry = twins.get(name, name) if pending.field in INHERITED else name
                    waiting[self.cluster_entry(entry), pending] = None
        yield from waiting
        for name, connection in self.connections.items():
            for pending in connection.pending_inputs():
                yield f"connections.{name}", pending

    def twins(self) -> dict[str, str]:
        """The cluster of each twin for disaster recovery, by the twin's name."""
        return {f"{name}{TWIN}": name for name, cluster in self.clusters.items() if cluster.dr}

    def cluster_entry(self, name: str) -> str:
        """Return the path of a cluster in the file: `clusters.prod`, for its twin `clusters.prod.dr`."""
        base = self.clusters.get(name.removesuffix(TWIN))
        is_twin = name.endswith(TWIN) and base is not None and base.dr is not None
        return f"clusters.{name.removesuffix(TWIN)}.dr" if is_twin else f"clusters.{name}"

    def data_plane(self) -> dict[str, Cluster]:
        """Return the Hybrid clusters in `account`, and their twins."""
        account_id = self.account.account_id if self.account else None
        return {
            name: cluster
            for name, cluster in self.clusters.items()
            if account_id and cluster.product == "hybrid" and cluster.account_id == account_id
        }

    def expired(self, today: date) -> Iterator[Problem]:
        """Yield the entries with an end date before `today`. This is not a rule, because a valid file stays valid."""
        for name, connection in self.connections.items():
            for field, message in connection.expired(today):
                yield Problem(("connections", name, *field), message)
