from cdktf import Postcondition, TerraformIterator, TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.data_aws_route_tables import DataAwsRouteTables, DataAwsRouteTablesFilter
from cdktf_cdktf_provider_aws.data_aws_vpc import DataAwsVpc
from cdktf_cdktf_provider_aws.data_aws_vpcs import DataAwsVpcs, DataAwsVpcsFilter
from cdktf_cdktf_provider_aws.default_security_group import DefaultSecurityGroup
from cdktf_cdktf_provider_aws.eip import Eip
from cdktf_cdktf_provider_aws.flow_log import FlowLog
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from cdktf_cdktf_provider_aws.internet_gateway import InternetGateway
from cdktf_cdktf_provider_aws.nat_gateway import NatGateway
from cdktf_cdktf_provider_aws.route import Route
from cdktf_cdktf_provider_aws.route_table import RouteTable
from cdktf_cdktf_provider_aws.route_table_association import RouteTableAssociation
from cdktf_cdktf_provider_aws.subnet import Subnet
from cdktf_cdktf_provider_aws.vpc import Vpc as AwsVpc
from cdktf_cdktf_provider_aws.vpc_endpoint import VpcEndpoint
from constructs import Construct

from modules.context import Network
from modules.expressions import MapExpression, is_late, listed, subnet
from modules.parts.iam_policy.construct import document, statement
from modules.vocabulary import construct_id, partition
from modules.vpc.props import FLOW_LOGS_PATH, FlowLogs, FoundRouteTables, NewVpc, VpcProps

ANYWHERE = "0.0.0.0/0"


class Vpc(Construct):
    """One of your networks. `network` is its representation for its connections."""

    network: Network

    def __init__(self, scope: Construct, id_: str, props: VpcProps, name: str) -> None:
        super().__init__(scope, id_)
        self._name = name
        self.network = Network(props.account_id, props.region, vpc_id="", cidrs=())
        if props.vpc_id is not None:
            self.network = self._existing(props, props.vpc_id)
        if props.create is not None:
            self.network = self._made(props, props.create)

    def _existing(self, props: VpcProps, vpc_id: str) -> Network:
        tables = props.route_tables
        if isinstance(tables, str | FoundRouteTables):
            tables = self._found_tables(vpc_id, tables)
        cidrs, unrouted = tuple(map(str, props.cidrs)), tuple(map(str, props.unrouted_cidrs))
        return Network(
            account_id=props.account_id,
            region=props.region,
            vpc_id=vpc_id,
            cidrs=cidrs,
            unrouted_cidrs=unrouted,
            route_tables=tables,
            subnets=dict(sorted(props.subnets.items())),
            dns=self._found(props, vpc_id, cidrs + unrouted),
        )

    def _found_tables(self, vpc_id: str, wanted: str | FoundRouteTables) -> MapExpression:
        """Return the IDs of the tables that get routes. Each plan reads them, so they can be keys of a for_each."""
        filters: dict[str, list[str]] = {}
        if isinstance(wanted, FoundRouteTables):
            filters = {f"tag:{key}": [value] for key, value in wanted.by_tag.items()}
            if wanted.by_name:
                filters["tag:Name"] = list(wanted.by_name)
        found = f"{self._tables('route-tables', vpc_id, filters).fqn}.ids"
        # Tables of gateways cannot have such routes (facts C21). AWS has no filter for missing properties of a table.
        kinds = {"edge-route-tables": {"association.gateway-id": ["igw-*", "vgw-*"]}}
        if wanted == "private":
            kinds["public-route-tables"] = {"route.gateway-id": ["igw-*"]}
        left: str = found
        for id_, without in kinds.items():
            some = _require(
                f"length(setsubtract({left}, self.ids)) > 0",
                f"networks.{self.node.id}.route_tables: {vpc_id} has no such route table. Compare its tables with "
                "`aws ec2 describe-route-tables`, or name them by their IDs.",
            )
            left = f"setsubtract({left}, {self._tables(id_, vpc_id, without, some).fqn}.ids)"
        return MapExpression(left)

    def _tables(
        self, id_: str, vpc_id: str, filters: dict[str, list[str]], condition: Postcondition | None = None
    ) -> DataAwsRouteTables:
        by = [DataAwsRouteTablesFilter(name=name, values=values) for name, values in sorted(filters.items())]
        lifecycle = TerraformResourceLifecycle(postcondition=[condition]) if condition else None
        return DataAwsRouteTables(self, id_, vpc_id=vpc_id, filter=by or None, lifecycle=lifecycle)

    def _found(self, props: VpcProps, vpc_id: str, cidrs: tuple[str, ...]) -> str:
        """Compare the VPC with the file. Return an expression that is true if both of its DNS settings are on.

        In a destroy, a failed postcondition is only a warning, also if the VPC no longer exists.
        """
        entry = f"networks.{self.node.id}"
        exists = _require(
            "length(self.ids) > 0",
            f"{entry}.vpc_id: {vpc_id} does not exist in account {props.account_id}, {props.region}. Correct vpc_id. "
            "If the VPC was deleted, destroy this stack before you remove the network from the file.",
        )
        vpcs = DataAwsVpcs(
            self,
            "vpcs",
            filter=[DataAwsVpcsFilter(name="vpc-id", values=[vpc_id])],
            lifecycle=TerraformResourceLifecycle(postcondition=[exists]),
        )
        associated = '[for one in self.cidr_block_associations : one.cidr_block if one.state == "associated"]'
        named = listed(cidrs)
        unnamed, missing = f"setsubtract({associated}, {named})", f"setsubtract({named}, {associated})"
        ranges = [
            _require(
                f"length({unnamed}) == 0",
                f'{entry}.cidrs: {vpc_id} also has ${{join(", ", {unnamed})}}. Add every range of the VPC to cidrs, '
                "or to unrouted_cidrs if Astro does not need to reach it: ranges that are not listed are not checked "
                "for overlaps.",
            ),
            _require(
                f"length({missing}) == 0",
                f'{entry}.cidrs: {vpc_id} does not have ${{join(", ", {missing})}}. Remove it from cidrs '
                "or unrouted_cidrs, or associate it with the VPC.",
            ),
        ]
        lifecycle = TerraformResourceLifecycle(postcondition=ranges)
        if is_late(vpc_id):
            # If the caller of a module sets depends_on, data sources are read at apply time and cannot be in a
            # for_each.
            vpc, found = DataAwsVpc(self, "vpc", id=vpc_id, depends_on=[vpcs], lifecycle=lifecycle), "{}[*]"
        else:
            each = TerraformIterator.from_list(vpcs.ids)
            vpc = DataAwsVpc(self, "vpc", for_each=each, id="${each.value}", lifecycle=lifecycle)
            found = "values({})[*]"
        one = found.format(f"data.{vpc.terraform_resource_type}.{vpc.friendly_unique_id}")
        return f"alltrue([for one in {one} : one.enable_dns_support && one.enable_dns_hostnames])"

    def _made(self, props: VpcProps, create: NewVpc) -> Network:
        vpc = AwsVpc(
            self,
            "vpc",
            cidr_block=str(create.cidr),
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags={"Name": self._name},
        )
        # Adopted without rules, so a resource without a security group reaches nothing.
        DefaultSecurityGroup(self, "default-security-group", vpc_id=vpc.id, tags={"Name": f"{self._name}-closed"})
        if not create.flow_logs.off_reason:
            self._log(props, create.flow_logs, vpc)

        internet = InternetGateway(self, "internet-gateway", vpc_id=vpc.id, tags={"Name": self._name})
        subnets: dict[str, Subnet] = {}
        for name, (letter, bits, number) in create.cuts().items():
            subnets[name] = Subnet(
                self,
                construct_id("subnet", name),
                # AWS creates a NAT gateway only after the internet gateway, so the public subnets depend on it.
                vpc_id=internet.vpc_id if name.startswith("public") else vpc.id,
                availability_zone=create.zone(props.region, letter),
                cidr_block=subnet(create.cidr, bits, number),
                map_public_ip_on_launch=False,
                tags={"Name": f"{self._name}-{name}"},
            )
        public = self._route_table("public", vpc)
        Route(self, "route_public", route_table_id=public.id, destination_cidr_block=ANYWHERE, gateway_id=internet.id)
        tables: dict[str, RouteTable] = {}
        for letter in create.letters():
            self._associate(f"public-{letter}", subnets, public)
            tables[f"private-{letter}"] = self._route_table(f"private-{letter}", vpc)
            self._associate(f"private-{letter}", subnets, tables[f"private-{letter}"])
        addresses = self._nat(create, subnets, tables)
        if create.s3_endpoint:
            VpcEndpoint(
                self,
                "s3",
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{props.region}.s3",
                vpc_endpoint_type="Gateway",
                route_table_ids=[table.id for table in (public, *tables.values())],
                tags={"Name": f"{self._name}-s3"},
            )
        return Network(
            account_id=props.account_id,
            region=props.region,
            vpc_id=vpc.id,
            cidrs=(str(create.cidr),),
            route_tables={name: table.id for name, table in tables.items()},
            subnets={name: subnets[name].id for name in tables},
            public_route_tables={"public": public.id},
            nat_ips=tuple(address.public_ip for address in addresses),
        )

    def _route_table(self, name: str, vpc: AwsVpc) -> RouteTable:
        tags = {"Name": f"{self._name}-{name}"}
        return RouteTable(self, construct_id("route-table", name), vpc_id=vpc.id, tags=tags)

    def _associate(self, name: str, subnets: dict[str, Subnet], table: RouteTable) -> None:
        RouteTableAssociation(
            self, construct_id("association", name), subnet_id=subnets[name].id, route_table_id=table.id
        )

    def _nat(self, create: NewVpc, subnets: dict[str, Subnet], tables: dict[str, RouteTable]) -> list[Eip]:
        """Create the NAT gateways, and return their addresses."""
        homes = {"none": (), "single": create.letters()[:1], "per_az": create.letters()}[create.nat]
        gateways: dict[str, NatGateway] = {}
        addresses: list[Eip] = []
        for letter in homes:
            tags = {"Name": f"{self._name}-{letter}"}
            address = Eip(self, construct_id("nat-address", letter), domain="vpc", tags=tags)
            addresses.append(address)
            gateways[letter] = NatGateway(
                self,
                construct_id("nat", letter),
                allocation_id=address.id,
                subnet_id=subnets[f"public-{letter}"].id,
                tags=tags,
            )
        for letter in create.letters() if gateways else ():
            Route(
                self,
                construct_id("route", f"private-{letter}"),
                route_table_id=tables[f"private-{letter}"].id,
                destination_cidr_block=ANYWHERE,
                nat_gateway_id=gateways.get(letter, gateways["a"]).id,
            )
        return addresses

    def _log(self, props: VpcProps, logs: FlowLogs, vpc: AwsVpc) -> None:
        group = CloudwatchLogGroup(
            self, "flow-logs", name=f"/aws/vpc-flow-logs/{self._name}", retention_in_days=logs.retention_days
        )
        # The conditions prevent other accounts from using the service to write here (the confused deputy).
        trust = document(
            self,
            "flow-logs-trust",
            statement(
                ["sts:AssumeRole"],
                None,
                ("StringEquals", "aws:SourceAccount", props.account_id),
                (
                    "ArnLike",
                    "aws:SourceArn",
                    f"arn:{partition(props.region)}:ec2:{props.region}:{props.account_id}:vpc-flow-log/*",
                ),
                principals=("Service", ["vpc-flow-logs.amazonaws.com"]),
            ),
        )
        delivery = document(
            self,
            "flow-logs-delivery",
            statement(
                ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                [f"{group.arn}:*"],
            ),
            # IAM cannot restrict this to a group, because it lists names.
            statement(["logs:DescribeLogGroups"], ["*"]),
        )
        role = IamRole(
            self,
            "flow-logs-role",
            # A network's name can have 63 characters, and a role's name 64.
            name=self._name,
            path=FLOW_LOGS_PATH,
            description="Lets VPC Flow Logs write to their log group",
            assume_role_policy=trust,
            # Astronomer's policy denies the deletion of roles with this tag (facts A4).
            tags={"customeraudit": "TRUE"},
        )
        IamRolePolicy(self, "flow-logs-policy", role=role.id, policy=delivery)
        FlowLog(
            self,
            "flow-log",
            vpc_id=vpc.id,
            traffic_type="ALL",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            tags={"Name": self._name},
        )


def _require(condition: str, message: str) -> Postcondition:
    return Postcondition(condition=f"${{{condition}}}", error_message=message)
