"""The value types of an estate file. Each reports an invalid value as the end of a sentence.

For example, the message `has host bits set, which AWS refuses; write 10.0.0.0/16` follows the value `'10.0.0.1/16'`.
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from modules.aws import AS_OF, PARTITIONS, REGIONS


class Props(BaseModel):
    """The base of the sections and entries of an estate. They are frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, strict=True, defer_build=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        PROPS.append(cls)


PROPS: list[type[Props]] = []
"""All subclasses in the order of their creation. The models of a model's fields come before it."""


@dataclass(frozen=True)
class _Checked:
    """Base of the value types: a plain string in the file and in the JSON Schema, checked by `check`."""

    def check(self, value: object) -> object:
        raise NotImplementedError

    def schema(self) -> dict[str, Any]:
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.check, serialization=core_schema.to_string_ser_schema()
        )

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self.schema()


@dataclass(frozen=True)
class Text(_Checked):
    """A string with a pattern. `allowed` is the rule in words, and `example` is a valid value."""

    what: str
    pattern: str
    allowed: str
    example: str
    late: bool = False
    """True if Terraform may compute it at apply time. An exported module has a variable for it."""
    longest: int = 2_000
    """The pattern cannot limit every length, because Terraform's patterns have no lookahead. No valid value is longer
    than the default, and some patterns take quadratic time to reject one."""

    def check(self, value: object) -> str:
        if isinstance(value, str) and len(value) <= self.longest and re.fullmatch(self.pattern, value, re.ASCII):
            return value
        read = "true or false" if isinstance(value, bool) else "a number"
        quote = f"; YAML read {read}, so put it in quotes" if isinstance(value, int | float) else ""
        raise ValueError(f'is not {self.what}{quote}; allowed: {self.allowed}, such as "{self.example}"')

    def schema(self) -> dict[str, Any]:
        limit = f"(?!.{{{self.longest + 1}}})" if self.longest < Text.longest else ""
        return {"type": "string", "pattern": f"^{limit}(?:{self.pattern})$", "examples": [self.example]}


@dataclass(frozen=True)
class Range(_Checked):
    """An IPv4 range without host bits, of `largest` to `smallest` prefix length, inside one of `within`."""

    what: str
    largest: int = 0
    smallest: int = 32
    within: tuple[IPv4Network, ...] = ()
    where: str = ""

    def check(self, value: object) -> IPv4Network:
        if isinstance(value, IPv4Network):
            network = value
        else:
            if not isinstance(value, str) or not re.fullmatch(r"[\d.]+/\d{1,2}", value, re.ASCII):
                raise ValueError(f"is not {self.what}; allowed: {self.allowed()}")
            try:
                network = IPv4Network(value, strict=False)
            except ValueError:
                raise ValueError(f"is not {self.what}; allowed: {self.allowed()}") from None
            if IPv4Address(value.split("/")[0]) != network.network_address:
                raise ValueError(f"has host bits set, which AWS refuses; write {network}")
        if not self.largest <= network.prefixlen <= self.smallest:
            raise ValueError(f"is a /{network.prefixlen}, not {self.what}; allowed: {self.allowed()}")
        if self.within and not any(network.subnet_of(outer) for outer in self.within):
            raise ValueError(f"is not {self.what}; allowed: {self.allowed()}")
        return network

    def allowed(self) -> str:
        to = f" to /{self.smallest}" if self.smallest != self.largest else ""
        return f"an IPv4 range of /{self.largest}{to}" + (f" inside {self.where}" if self.where else "")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$", "description": self.allowed()}


@dataclass(frozen=True)
class _Day(_Checked):
    """A day of the calendar, which is text in YAML and JSON."""

    def check(self, value: object) -> date:
        if isinstance(value, date):
            return value
        try:
            if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
                return date.fromisoformat(value)
        except ValueError:
            pass
        raise ValueError('is not a date; allowed: YYYY-MM-DD, such as "2026-12-31"')

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date", "examples": ["2026-12-31"]}


def aws_id(prefix: str, what: str) -> Text:
    """Return the type of an AWS resource ID: the prefix and 8 or 17 hexadecimal digits."""
    return Text(
        what,
        rf"{prefix}-[0-9a-f]{{8}}(?:[0-9a-f]{{9}})?",
        f"{prefix}- and 8 or 17 lowercase hexadecimal digits",
        f"{prefix}-0123456789abcdef0",
        late=True,
    )


@dataclass(frozen=True)
class Arn(Text):
    """An ARN, or a shorter name that the pattern allows. Its partition must exist and contain its region."""

    def check(self, value: object) -> str:
        text = super().check(value)
        if text.startswith("arn:"):
            _, its_partition, _, region, _ = text.split(":", 4)
            if its_partition not in PARTITIONS:
                close = difflib.get_close_matches(its_partition, PARTITIONS, n=1)
                meant = f"; did you mean {close[0]!r}?" if close else ""
                raise ValueError(f"has the partition {its_partition!r}{meant}; allowed: {', '.join(PARTITIONS)}")
            if region and _region(region) and partition(region) != its_partition:
                raise ValueError(
                    f"has the partition {its_partition}, and {region} is in {partition(region)}; copy the ARN from AWS"
                )
        return text


ARN = r"arn:aws(?:-[a-z]+)*"
"""A regular expression for the beginning of an ARN; `Arn` checks which partition it is."""


def arn(service: str, resource: str, what: str, example: str, account: str = r"\d{12}") -> Arn:
    """Return the type of the ARNs of one service. `resource` is a regular expression for the part after the account."""
    region = "" if service == "iam" else r"[a-z0-9-]+"
    return Arn(what, rf"{ARN}:{service}:{region}:{account}:{resource}", f"the ARN of {what}", example, late=True)


RFC_1918 = tuple(IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
PRIVATE = (*RFC_1918, IPv4Network("100.64.0.0/10"))
PRIVATE_IN_WORDS = "RFC 1918 (10/8, 172.16/12, 192.168/16) or 100.64.0.0/10"


def is_private(address: str | IPv4Address) -> bool:
    return any(IPv4Address(address) in block for block in PRIVATE)


Slug = Annotated[
    str,
    Text(
        "a name",
        r"[a-z](?:-?[a-z0-9])*",
        "1 to 31 lowercase letters, digits and single hyphens, beginning with a letter",
        "data-lake",
        longest=31,
    ),
]
AccountId = Annotated[str, Text("an AWS account ID", r"\d{12}", "12 digits in quotes", "111111111111")]


def not_one(first: str, second: str, *, both: bool) -> str:
    """Return the beginning of the message for two fields if not exactly one of them is set."""
    return f"has both {first} and {second}; keep one" if both else f"has neither {first} nor {second}; set one"


def _region(value: str) -> str:
    if value not in REGIONS:
        close = difflib.get_close_matches(value, REGIONS, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"is not an AWS region as of {AS_OF}{meant}")
    return value


Region = Annotated[
    str,
    Text("an AWS region", r"[a-z]{2,4}(?:-[a-z]+)+-\d", "a region code", "us-east-1"),
    AfterValidator(_region),
]
Cidr = Annotated[IPv4Network, Range("an IPv4 range")]
PrivateCidr = Annotated[IPv4Network, Range("a private range", 8, 32, PRIVATE, PRIVATE_IN_WORDS)]
# RFC 5737: examples and tests may use these in place of real addresses.
_DOCUMENTATION = tuple(IPv4Network(block) for block in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))


def _public(value: str) -> str:
    address = IPv4Address(value)
    if (not address.is_global or address.is_multicast) and not any(address in block for block in _DOCUMENTATION):
        raise ValueError("is not a public IPv4 address; use the address that is visible on the internet")
    return value


_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_ADDRESS = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
PublicIp = Annotated[
    str,
    Text("an IPv4 address", _ADDRESS, "four numbers from 0 to 255", "203.0.113.10", late=True),
    AfterValidator(_public),
]


def _unicast_address(value: str) -> str:
    return value if is_private(value) else _public(value)


UnicastIp = Annotated[
    str,
    Text("an IPv4 address", _ADDRESS, "four numbers from 0 to 255", "203.0.113.10", late=True),
    AfterValidator(_unicast_address),
]
"""A public or a private address."""
Day = Annotated[date, _Day()]
VpcId = Annotated[str, aws_id("vpc", "a VPC ID")]
SubnetId = Annotated[str, aws_id("subnet", "a subnet ID")]
RouteTableId = Annotated[str, aws_id("rtb", "a route table ID")]
SecurityGroupId = Annotated[str, aws_id("sg", "a security group ID")]
NetworkAclId = Annotated[str, aws_id("acl", "a network ACL ID")]
PeeringId = Annotated[str, aws_id("pcx", "a VPC peering connection ID")]
TransitGatewayId = Annotated[str, aws_id("tgw", "a transit gateway ID")]
TransitGatewayAttachmentId = Annotated[str, aws_id("tgw-attach", "a transit gateway attachment ID")]
TransitGatewayRouteTableId = Annotated[str, aws_id("tgw-rtb", "a transit gateway route table ID")]
ResolverRuleId = Annotated[str, aws_id("rslvr-rr", "a Route 53 Resolver rule ID")]
ResolverEndpointId = Annotated[str, aws_id("rslvr-out", "the ID of an outbound Route 53 Resolver endpoint")]
HostedZoneId = Annotated[
    str,
    Text(
        "the ID of a hosted zone",
        r"Z[A-Z0-9]{1,31}",
        "Z and up to 31 uppercase letters and digits",
        "Z0123456789ABCDEFGHIJ",
        late=True,
    ),
]
CustomerGatewayId = Annotated[str, aws_id("cgw", "a customer gateway ID")]
VpnGatewayId = Annotated[str, aws_id("vgw", "a virtual private gateway ID")]
AvailabilityZone = Annotated[
    str, Text("an availability zone", r"[a-z]{2}(?:-[a-z]+)+-\d[a-z]", "a region code and a letter", "us-east-1a")
]
AvailabilityZoneId = Annotated[
    str,
    Text(
        "the ID of an availability zone",
        r"[a-z]{2,8}\d-az\d",
        "the zone's ID, which is the same in every account, not its name",
        "use1-az1",
    ),
]
Principal = Annotated[
    str,
    Arn(
        "a principal that AWS RAM can share with",
        rf"\d{{12}}|{ARN}:organizations::\d{{12}}:"
        r"(?:organization/o-[a-z0-9]{10,32}|ou/o-[a-z0-9]{10,32}/ou-[a-z0-9]{4,32}-[a-z0-9]{8,32})",
        "an account's 12 digits in quotes (not arn:...:root), or the ARN of an organization or organizational unit",
        "222222222222",
    ),
]
TopicArn = Annotated[
    str, arn("sns", r"[\w-]{1,256}(?:\.fifo)?", "an SNS topic", "arn:aws:sns:us-east-1:111111111111:security")
]
RoleName = Annotated[
    str, Text("an IAM role name", r"[\w+=,.@-]{1,64}", "up to 64 letters, digits and _+=,.@-", "terraform-deployer")
]
RolePath = Annotated[
    str,
    Text(
        "an IAM path",
        r"/(?:[\w+=,.@-]{1,64}/){1,7}",
        "names separated by /, with / at the beginning and the end",
        "/astro/",
    ),
]
PolicyArn = Annotated[
    str,
    arn(
        "iam",
        r"policy/[\w+=,.@/-]{1,512}",
        "a managed policy",
        "arn:aws:iam::222222222222:policy/boundary",
        account=r"(?:\d{12}|aws)",  # "aws": AWS's own policies
    ),
]
IamPrincipal = Annotated[
    str,
    arn("iam", r"(?:role|user)/[\w+=,.@/-]{1,512}", "an IAM role or user", "arn:aws:iam::333333333333:role/astro-etl"),
]
KmsKey = Annotated[
    str,
    Arn(
        "a KMS key",
        rf"alias/[\w/-]+|{ARN}:kms:[a-z0-9-]+:\d{{12}}:(?:key|alias)/[\w/-]+",
        "alias/NAME, or the ARN of a key or alias",
        "alias/terraform-state",
    ),
]
BucketName = Annotated[
    str,
    Text(
        "an S3 bucket name",
        r"(?!xn--|sthree-|amzn-s3-demo-)(?!.*(?:-s3alias|--ol-s3|--x-s3)$)[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]",
        "3 to 63 lowercase letters, digits and hyphens",
        "acme-astro-tfstate",
    ),
]
RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
"""The retention periods that CloudWatch Logs supports for a log group."""
Reason = Annotated[
    str,
    Text(
        "a reason",
        r"(?=.*\S).{10,300}",
        "10 to 300 characters, for a reviewer to read",
        "Ticket OPS-1: moving accounts",
    ),
]


def _private_asn(asn: int) -> int:
    if not (64512 <= asn <= 65534 or 4200000000 <= asn <= 4294967294):
        raise ValueError("is not a private ASN; allowed: 64512 to 65534 and 4200000000 to 4294967294")
    return asn


PrivateAsn = Annotated[int, AfterValidator(_private_asn)]
"""The ASN of AWS's side of a BGP session."""


def duplicates(values: Iterable[str]) -> list[str]:
    """Return the values that occur more than once, sorted."""
    return sorted(value for value, times in Counter(values).items() if times > 1)


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    if twice := duplicates(values):
        raise ValueError(f"has {', '.join(twice)} twice; list each value once")
    return values


UNIQUE = AfterValidator(_each_once)
"""Marks a list of distinct values."""


BY_REFERENCE = object()
"""Marks a map whose keys are names of entries elsewhere in the file."""


def construct_id(*parts: str) -> str:
    """Join names from the file to a construct ID. Names cannot contain underscores, so joined names cannot collide."""
    return "_".join(part for part in parts if part)


def arn_region(arn_: str) -> str:
    """Return the region of an ARN."""
    return arn_.split(":")[3]


def arn_account(arn_: str) -> str:
    """Return the account of an ARN: 12 digits, or `aws` for AWS's own resources."""
    return arn_.split(":")[4]


def partition(region: str) -> str:
    """Return the AWS partition of a region, which is the second part of an ARN."""
    return REGIONS[region]


def _reachable(value: str) -> str:
    address, _, port = value.partition(":")
    ip = IPv4Address(address)
    if ip.is_unspecified or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_reserved:
        raise ValueError("cannot receive queries; use the DNS server's own IPv4 address")
    if port and not 1 <= int(port) <= 65535:
        raise ValueError("has an invalid port; allowed: 1 to 65535, or no port for 53")
    return value


def _name(value: str) -> str:
    if value != "." and (len(value) > 256 or any(len(label) > 63 for label in value.split("."))):
        raise ValueError("is too long for a domain; allowed: 256 characters in total and 63 between two dots")
    return value


Address = Annotated[
    str, Text("an IPv4 address", _ADDRESS, "four numbers from 0 to 255", "10.0.0.2"), AfterValidator(_reachable)
]
Server = Annotated[
    str,
    Text("a DNS server", rf"{_ADDRESS}(?::[1-9]\d{{0,4}})?", "an IPv4 address, with :port if it is not 53", "10.0.0.2"),
    AfterValidator(_reachable),
]
_DOMAIN = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*"
Domain = Annotated[
    str,
    Text(
        "a domain",
        rf"\.|{_DOMAIN}",
        "lowercase names joined by dots, without a leading or trailing dot",
        "corp.acme.example",
    ),
    AfterValidator(_name),
]
DomainName = Annotated[
    str,
    Text(
        "a domain name",
        _DOMAIN,
        "lowercase names joined by dots, without a leading or trailing dot",
        "corp.acme.example",
    ),
    AfterValidator(_name),
]
