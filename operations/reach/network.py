"""Reads one of your VPCs for `main.py reach`."""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from operations.reach.exact import Entry, Route
from operations.status.check import View
from operations.status.shared import target_of

NUMBERS = {"tcp": "6", "udp": "17"}


def prefix_list(view: View, id_: str) -> list[str]:
    """Return the ranges of a prefix list."""
    answer = view.read("ec2:get_managed_prefix_list_entries", PrefixListId=id_)
    return [one["Cidr"] for one in answer.get("Entries", []) if ":" not in one["Cidr"]]


class LiveVpc:
    """A VPC in its current state in AWS. Each list is read once per account and region."""

    def __init__(self, view: View, vpc_id: str) -> None:
        self._view, self.id = view, vpc_id

    def _all(self, call: str, member: str) -> list[dict[str, Any]]:
        return [one for one in self._view.read(call).get(member, []) if one.get("VpcId") == self.id]

    @cached_property
    def ranges(self) -> list[str]:
        """Return the ranges of the VPC."""
        return [
            block["CidrBlock"]
            for vpc in self._all("ec2:describe_vpcs", "Vpcs")
            for block in vpc.get("CidrBlockAssociationSet", [])
            if block.get("CidrBlockState", {}).get("State") == "associated"
        ]

    @cached_property
    def subnets(self) -> dict[str, dict[str, Any]]:
        """Return the subnets by ID."""
        return {one["SubnetId"]: one for one in self._all("ec2:describe_subnets", "Subnets")}

    def subnet_of(self, address: IPv4Address) -> dict[str, Any] | None:
        """Return the subnet that contains an address."""
        return next((one for one in self.subnets.values() if address in IPv4Network(one["CidrBlock"])), None)

    def interfaces(self) -> list[dict[str, Any]]:
        """Return the network interfaces."""
        return self._all("ec2:describe_network_interfaces", "NetworkInterfaces")

    def interface_of(self, address: IPv4Address) -> dict[str, Any] | None:
        """Return the network interface that has an address."""
        for one in self.interfaces():
            if str(address) in [each["PrivateIpAddress"] for each in one["PrivateIpAddresses"]]:
                return one
        return None

    def table_of(self, subnet_id: str) -> tuple[str, list[Route]]:
        """Return the description of a subnet's route table, and its routes."""
        tables = self._all("ec2:describe_route_tables", "RouteTables")
        for table in tables:
            if any(one.get("SubnetId") == subnet_id for one in table["Associations"]):
                return table["RouteTableId"], list(self._routes(table))
        main = next(one for one in tables if any(each.get("Main") for each in one["Associations"]))
        return f"{main['RouteTableId']} (the main table; the subnet has no explicit association)", list(
            self._routes(main)
        )

    def _routes(self, table: Mapping[str, Any]) -> Iterator[Route]:
        for route in table["Routes"]:
            rank = 1 if route.get("Origin") == "EnableVgwRoutePropagation" else 3
            prefixes = [route["DestinationCidrBlock"]] if route.get("DestinationCidrBlock") else []
            if listed := route.get("DestinationPrefixListId"):
                prefixes, rank = prefix_list(self._view, listed), 2
            for prefix in prefixes:
                yield Route(IPv4Network(prefix), rank, route.get("State", "active"), target_of(route))

    def acl_of(self, subnet_id: str, protocol: str) -> tuple[str, dict[bool, list[Entry]]]:
        """Return the ID of a subnet's network ACL and its entries for the protocol; `True` is the key of outbound
        entries.
        """
        acls = self._all("ec2:describe_network_acls", "NetworkAcls")
        acl = next(one for one in acls if any(each["SubnetId"] == subnet_id for each in one["Associations"]))
        entries: dict[bool, list[Entry]] = {True: [], False: []}
        for one in acl["Entries"]:
            if one.get("CidrBlock") and one["Protocol"] in ("-1", NUMBERS[protocol]) and one["RuleNumber"] < 32767:
                ports = one.get("PortRange") if one["Protocol"] != "-1" else None
                limits = (ports["From"], ports["To"]) if ports else (0, 65535)
                allow = one["RuleAction"] == "allow"
                entries[one["Egress"]].append(Entry(one["RuleNumber"], IPv4Network(one["CidrBlock"]), limits, allow))
        return acl["NetworkAclId"], entries

    def allowed(
        self, groups: Collection[str], protocol: str, port: int, *, out: bool = False
    ) -> tuple[list[IPv4Network], set[str]]:
        """Return the ranges and the security groups from which the groups allow traffic to a port, or to which."""
        ranges: list[str] = []
        others: set[str] = set()
        for rule in self._view.read("ec2:describe_security_group_rules").get("SecurityGroupRules", []):
            if rule["GroupId"] not in groups or rule["IsEgress"] != out:
                continue
            every = rule["IpProtocol"] == "-1"
            same = rule["IpProtocol"] in (protocol, NUMBERS[protocol])
            if every or (same and (rule["FromPort"] == -1 or rule["FromPort"] <= port <= rule["ToPort"])):
                ranges += [rule["CidrIpv4"]] if rule.get("CidrIpv4") else []
                ranges += prefix_list(self._view, rule["PrefixListId"]) if rule.get("PrefixListId") else []
                if other := rule.get("ReferencedGroupInfo"):
                    others.add(other["GroupId"])
        return [IPv4Network(one) for one in ranges], others
