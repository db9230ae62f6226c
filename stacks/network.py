"""The stack of each of your networks: the VPC and all its connections."""

from functools import partial
from typing import Any

from cdktf import Postcondition
from constructs import Construct

from estate.model import Estate
from estate.plan import StackPlan
from estate.renames import former_name
from modules.catalog import construct_for
from modules.context import ConnectionContext, NewGateway
from modules.parts.attachments.construct import accepted_in
from modules.parts.memory.construct import remember
from modules.vpc.construct import Vpc
from modules.vpc.props import NewVpc
from stacks.base import AstroStack
from stacks.moves import Block, move_renamed, moved_to_ids


class NetworkStack(AstroStack):
    """The stack `network-<name>`: the entry `networks.<name>` and the connections that refer to it."""

    def __init__(self, scope: Construct, plan: StackPlan, estate: Estate) -> None:
        super().__init__(scope, plan, estate)
        name = plan.network
        assert name
        vpc = Vpc(self, name, estate.networks[name], f"{estate.name}-{former_name(estate, ('networks',), name)}")
        accepted_in(self)
        facts: dict[str, Any] = {}
        gateways: dict[str, NewGateway] = {}
        moved: list[Block] = []
        ours = [(key, one) for key, one in estate.connections.items() if one.network == name]
        # Connections follow the order of the file, except that one that uses another comes after it.
        for key, connection in sorted(ours, key=lambda one: one[1].uses is not None):
            context = ConnectionContext(
                name=f"{estate.name}-{former_name(estate, ('connections',), key)}",
                former_name=partial(former_name, estate),
                network=vpc.network,
                organization=estate.astro.organization,
                clusters={cluster: estate.clusters[cluster].side() for cluster in connection.cluster_names()},
                secrets=self.secret_variables(key, connection.secrets()),
                gateway=gateways[connection.uses] if connection.uses else None,
            )
            built = construct_for(connection)(self, key, connection, context)
            facts[key] = built.handoff
            moved += moved_to_ids(estate, key, vpc.network.keyed)
            vpc.network.keyed.clear()
            if gateway := getattr(built, "gateway", None):
                gateways[key] = gateway
        if create := estate.networks[name].create:
            # For an existing VPC, the plan already fails if the VPC is not in this account and region.
            self.remember_place(f"networks.{name}")
            self._remember_layout(f"networks.{name}.create", create)
        move_renamed(self, estate, moved)
        self.hand_off(facts, vpc.network.vpc_id)

    def _remember_layout(self, path: str, create: NewVpc) -> None:
        """Stop a plan if the range of the VPC, or the zone of a letter in use, changed since the last deploy.

        Terraform would replace the VPC or its subnets. It would first delete NAT gateways and routes, and AWS then
        refuses to delete what anything else uses.
        """
        zones = {f"zones.{letter}": create.zone(self.plan.region, letter) for letter in create.letters()}
        remember(
            self,
            "first_layout",
            {"cidr": str(create.cidr), **zones},
            each=True,
            conditions=[
                Postcondition(
                    condition="${self.input == each.value}",
                    error_message=f"{path}.${{each.key}}: the VPC was created with ${{self.input}}, but the file now "
                    "has ${each.value}. That would replace the VPC or its subnets. Restore the value. For another "
                    "one, add a second network, move everything to it, and remove this one: docs/recovery.md, "
                    '"The range or a zone of a created VPC changed".',
                )
            ],
        )
