"""`make demo`: deploys an estate on a local AWS, from an empty state bucket until everything is destroyed.

The local AWS has no packets, DNS answers or IAM decisions; see README, "Known limits".
"""

import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from estate.load import load
from estate.model import Estate
from local_aws import LocalAws, inventory
from operations.terraform import TerraformError
from tests.support.deployment import ROOT, Deployment
from tests.support.world import facts_of

EXAMPLE = ROOT / "examples/complete.yaml"


def accounts_and_regions(estate: Estate) -> tuple[list[str], list[str]]:
    """Return the accounts and regions of the estate's stacks, including Terraform's own account."""
    places = [(n.account_id, n.region) for n in estate.networks.values()]
    if estate.account:
        places.append((estate.account.account_id, estate.account.region))
    accounts, regions = zip(*places, strict=True)
    return sorted({*accounts, LocalAws.FIRST_ACCOUNT}), sorted(
        {*regions, *(c.region for c in estate.clusters.values())}
    )


def read_back(aws: LocalAws, estate: Estate) -> Iterator[tuple[str, str, str]]:
    """Yield the existing resources in AWS: entry, resource, identity. Read with boto3, not from Terraform's state."""
    if estate.account:
        yield from _account(aws, estate)
    for name, connection in estate.connections.items():
        network = estate.networks[connection.network]
        ec2 = aws.client("ec2", network.account_id, network.region)
        match connection.type:
            case "vpc_peering" if connection.peering_id:
                yield from _peering(ec2, name, connection.peering_id)
            case "transit_gateway" | "resolver_rules":
                ram = aws.client("ram", network.account_id, network.region)
                yield from _shares(ram, f"{estate.name}-{name}", name)
            case "vpn":
                yield from _vpn(ec2, f"{estate.name}-{name}", name)
            case "private_link":
                for service in ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"]:
                    yield name, "endpoint service", service["ServiceName"]
            case "ip_allowlist":
                for found in ec2.describe_managed_prefix_lists()["PrefixLists"]:
                    if found["PrefixListName"].startswith(f"{estate.name}-{name}"):
                        entries = ec2.get_managed_prefix_list_entries(PrefixListId=found["PrefixListId"])["Entries"]
                        yield name, "prefix list", ", ".join(sorted(entry["Cidr"] for entry in entries))
            case "hosted_zone":
                route53 = aws.client("route53", network.account_id)
                for zone in route53.list_hosted_zones()["HostedZones"]:
                    allowed = route53.list_vpc_association_authorizations(HostedZoneId=zone["Id"])["VPCs"]
                    yield name, "hosted zone", f"{zone['Name']} for {', '.join(vpc['VPCId'] for vpc in allowed)}"
            case "peering_role" | "workload_identity":
                for role in aws.client("iam", network.account_id).list_roles()["Roles"]:
                    if role["RoleName"].startswith(f"{estate.name}-{name}"):
                        yield name, "IAM role", role["Arn"]
            case _:
                pass


def _account(aws: LocalAws, estate: Estate) -> Iterator[tuple[str, str, str]]:
    assert estate.account
    account = estate.account.account_id
    iam = aws.client("iam", account)
    role = iam.get_role(RoleName="astronomer-remote-management")["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    guarded = "only with the external ID" if statement["Condition"]["StringEquals"]["sts:ExternalId"] else "UNGUARDED"
    yield "account", "IAM role", role["Arn"]
    yield "account", "trust", f"{statement['Principal']['AWS']}, {guarded}"
    for policy in iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]:
        yield "account", "policy", policy["PolicyName"]
    for alarm in aws.client("cloudwatch", account, estate.account.region).describe_alarms()["MetricAlarms"]:
        yield "account", "alarm", f"{alarm['AlarmName']} on {alarm['MetricName']}"


def _peering(ec2: Any, name: str, peering_id: str) -> Iterator[tuple[str, str, str]]:
    (peering,) = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[peering_id])["VpcPeeringConnections"]
    yield name, "VPC peering", f"{peering_id} {peering['Status']['Code']}"
    for table in ec2.describe_route_tables()["RouteTables"]:
        for route in table["Routes"]:
            if route.get("VpcPeeringConnectionId") == peering_id:
                yield name, "route", f"{table['RouteTableId']}: {route['DestinationCidrBlock']} -> {peering_id}"


def _shares(ram: Any, prefix: str, name: str) -> Iterator[tuple[str, str, str]]:
    for share in ram.get_resource_shares(resourceOwner="SELF")["resourceShares"]:
        if share["name"].startswith(prefix) and share["status"] == "ACTIVE":
            arn = share["resourceShareArn"]
            for kind in ("RESOURCE", "PRINCIPAL"):
                found = ram.get_resource_share_associations(associationType=kind, resourceShareArns=[arn])
                for one in found["resourceShareAssociations"]:
                    what = "shares" if kind == "RESOURCE" else "with"
                    yield name, f"RAM share {share['name']}", f"{what} {one['associatedEntity']}"


def _vpn(ec2: Any, prefix: str, name: str) -> Iterator[tuple[str, str, str]]:
    for gateway in ec2.describe_customer_gateways()["CustomerGateways"]:
        tags = {tag["Key"]: tag["Value"] for tag in gateway.get("Tags", [])}
        if tags.get("Name", "").startswith(prefix) and gateway["State"] == "available":
            yield name, "customer gateway", f"{gateway['CustomerGatewayId']} {gateway['IpAddress']}"
    for vpn in ec2.describe_vpn_connections()["VpnConnections"]:
        tags = {tag["Key"]: tag["Value"] for tag in vpn.get("Tags", [])}
        if tags.get("Name", "").startswith(prefix) and vpn["State"] == "available":
            yield name, "VPN connection", f"{vpn['VpnConnectionId']} {vpn['State']}"


HOST, PORT = "db.data.acme.example", "5432"
ADDRESS, SUBNET, TABLE = "10.20.0.10", "subnet-0aaaaaaaaaaaaaaaa", "rtb-0aaaaaaaaaaaaaaaa"
GROUP, PEERING = "sg-0123456789abcdef0", "pcx-0123456789abcdef0"


def start_database(aws: LocalAws, estate: Estate) -> None:
    """Create the network interface of a database in the network `lake`, in a subnet with a separate route table."""
    lake = estate.networks["lake"]
    ec2 = aws.client("ec2", lake.account_id, lake.region)
    ec2.create_network_interface(SubnetId=SUBNET, PrivateIpAddress=ADDRESS, Groups=[GROUP])
    ec2.associate_route_table(RouteTableId=TABLE, SubnetId=SUBNET)


@contextmanager
def named_database(aws: LocalAws, estate: Estate) -> Generator[Callable[[bool], None]]:
    """Add the database's name to the deployed zone, and associate the cluster's VPC as Astronomer would.

    Yields a function that associates (True) or dissociates (False) that VPC. Restores the zone at the end.
    """
    lake, prod = estate.networks["lake"], estate.clusters["prod"]
    assert prod.account_id
    yours, theirs = aws.client("route53", lake.account_id), aws.client("route53", prod.account_id)
    zones = {zone["Name"]: zone["Id"].rpartition("/")[2] for zone in yours.list_hosted_zones()["HostedZones"]}
    zone, vpc = zones["data.acme.example."], {"VPCRegion": prod.region, "VPCId": prod.vpc_id}

    def record(action: str) -> None:
        database = {"Name": HOST, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": ADDRESS}]}
        changes = [{"Action": action, "ResourceRecordSet": database}]
        yours.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    def associate(there: bool) -> None:
        change = theirs.associate_vpc_with_hosted_zone if there else theirs.disassociate_vpc_from_hosted_zone
        change(HostedZoneId=zone, VPC=vpc)

    record("CREATE")
    associate(True)
    yield associate
    associate(False)
    record("DELETE")


def faults(aws: LocalAws, estate: Estate) -> Iterator[str]:
    """Break one thing before each `yield` of its description, and repair it afterwards."""
    lake, prod = estate.networks["lake"], str(estate.clusters["prod"].cidr)
    ec2 = aws.client("ec2", lake.account_id, lake.region)
    route: dict[str, Any] = {"RouteTableId": TABLE, "DestinationCidrBlock": prod}
    with named_database(aws, estate) as associate:
        yield "Nothing is broken"
        ec2.delete_route(**route)
        yield f"The route to {prod} is deleted from {TABLE}"
        ec2.create_route(**route, VpcPeeringConnectionId=PEERING)
        rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [GROUP]}])
        rule = next(one for one in rules["SecurityGroupRules"] if one.get("CidrIpv4") == prod)
        ec2.revoke_security_group_ingress(GroupId=GROUP, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
        yield f"The rule for {prod} is revoked from {GROUP}"
        port = {"FromPort": int(PORT), "ToPort": int(PORT), "IpRanges": [{"CidrIp": prod}]}
        ec2.authorize_security_group_ingress(GroupId=GROUP, IpPermissions=[{"IpProtocol": "tcp", **port}])
        associate(False)
        yield "The cluster's VPC is dissociated from the private hosted zone"
        associate(True)


def demo(console: Console) -> bool:
    """Run the demo; return True if a second plan was empty and nothing was left in the end."""
    started = time.monotonic()

    @contextmanager
    def step(title: str) -> Generator[Callable[[str], None]]:
        begun = time.monotonic()
        console.rule(f"[bold]{title}", align="left")
        yield lambda line: console.print(
            f"  {time.monotonic() - started:4.0f}s {line.strip()}", markup=False, soft_wrap=True
        )
        console.print(f"  [green]done[/green] in {time.monotonic() - begun:.0f} s")

    estate = load(EXAMPLE)
    accounts, regions = accounts_and_regions(estate)
    with LocalAws() as aws:
        with step(f"Existing resources: your VPCs, and Astronomer's requests (local AWS at {aws.url})"):
            aws.make(facts_of(estate))
            start_database(aws, estate)
        before = inventory(aws, accounts, regions)
        show: list[Callable[[str], None]] = []
        deployment = Deployment(EXAMPLE, ROOT / ".work/demo", aws, lambda line: show[-1](line))
        with step("main.py state create") as tell:
            show.append(tell)
            deployment.create_state()
        with_state = inventory(aws, accounts, regions)
        with step("cdktf deploy '*'") as tell:
            show.append(tell)
            deployment.deploy()
        with step("A second plan of each stack") as tell:
            changes = deployment.changes()
            for stack, changed in changes.items():
                tell(f"{stack}: {'CHANGES' if changed else 'no changes'}")
        with step("Resources that exist in AWS now (read with boto3)"):
            table = Table("entry", "resource", "details")
            for row in read_back(aws, estate):
                table.add_row(*row)
            console.print(table)
        for reader in ("you", "astronomer", "network-team"):
            with step(f"main.py handoff --for {reader}"):
                console.print(deployment.handoff(reader), markup=False, soft_wrap=True)
        for fault in faults(aws, estate):
            with step(f"{fault}: main.py reach prod {HOST} {PORT}"):
                arguments = ("reach", "prod", HOST, PORT, "--estate", str(EXAMPLE))
                console.print(deployment.command(*arguments, codes=(3, 4)), markup=False, soft_wrap=True)
        made = len(set(inventory(aws, accounts, regions)) - set(with_state))
        with step("cdktf destroy '*'") as tell:
            show.append(tell)
            deployment.destroy()
        after = set(inventory(aws, accounts, regions))
        left, gone = sorted(after - set(with_state)), sorted(set(with_state) - after)
        console.rule("[bold]Result", align="left")
        console.print(f"  {made} objects were created; {len(left)} are left.")
        for line in left:
            console.print(f"  [red]left:[/red] {line}", soft_wrap=True)
        for line in gone:
            console.print(f"  also deleted by AWS, because its counterpart was deleted: {line}", soft_wrap=True)
        for line in sorted(set(with_state) - set(before)):
            console.print(f"  kept intentionally: {line}", soft_wrap=True)
        console.print(f"  {time.monotonic() - started:.0f} s in all")
    return not left and not any(changes.values())


def main() -> int:
    console = Console(highlight=False)
    try:
        return 0 if demo(console) else 3
    except TerraformError as error:
        console.print(str(error), markup=False)
    except subprocess.CalledProcessError as error:
        Path(ROOT / ".work/demo/failed.log").write_text(error.output)
        console.print(error.output[-4000:], markup=False)
        console.print("The whole output is in .work/demo/failed.log.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
