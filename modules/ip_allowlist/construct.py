from cdktf_cdktf_provider_aws.ec2_managed_prefix_list import Ec2ManagedPrefixList, Ec2ManagedPrefixListEntry
from constructs import Construct

from modules.context import ConnectionContext
from modules.ip_allowlist.props import Bucket, IpAllowlistProps
from modules.parts.iam_policy.construct import Principals, document, statement
from modules.parts.ingress.construct import let_in
from modules.vocabulary import construct_id, partition

_READ = ["s3:GetObject"]
_WRITE = [*_READ, "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]


class IpAllowlist(Construct):
    """The addresses of the clusters that have `external_ips`. Without any, there are no rules."""

    def __init__(self, scope: Construct, id_: str, props: IpAllowlistProps, context: ConnectionContext) -> None:
        super().__init__(scope, id_)
        addresses = {ip: name for name, cluster in context.clusters.items() for ip in cluster.external_ips or ()}
        # A new description would remove the entry before it is added again, so it keeps the cluster's first name.
        first_names = {name: context.former_name(("clusters",), name) for name in context.clusters}
        self.handoff: dict[str, object] = {
            "account_id": context.network.account_id,
            "region": context.network.region,
            "addresses": list(addresses),
        }
        if not addresses:
            return

        # Inline entries instead of one resource for each, so that Terraform detects and removes manual entries.
        allowed = Ec2ManagedPrefixList(
            self,
            "addresses",
            name=context.name,
            address_family="IPv4",
            max_entries=props.max_entries,
            entry=[
                Ec2ManagedPrefixListEntry(cidr=f"{ip}/32", description=f"Astro cluster {first_names[name]}")
                for ip, name in addresses.items()
            ],
            tags={"Name": context.name},
        )
        self.handoff["prefix_list_id"] = allowed.id
        for name, rule in props.ingress.items():
            let_in(
                self,
                construct_id("ingress", name),
                rule,
                "Astro clusters by their external addresses",
                prefix_list_id=allowed.id,
            )
        policies = {name: self._policy(name, bucket, list(addresses)) for name, bucket in props.buckets.items()}
        if policies:
            self.handoff["bucket_policies"] = policies

    def _policy(self, name: str, bucket: Bucket, addresses: list[str]) -> str:
        arn = f"arn:{partition(bucket.region)}:s3:::{bucket.bucket}"
        prefix = bucket.prefix or ""
        from_astro = ("IpAddress", "aws:SourceIp", [f"{ip}/32" for ip in addresses])
        only_prefix = [("StringLike", "s3:prefix", f"{prefix}*")] if prefix else []
        principals: Principals = ("AWS", bucket.principals)
        objects = _WRITE if bucket.access == "read-write" else _READ
        return document(
            self,
            construct_id("bucket", name),
            statement(objects, [f"{arn}/{prefix}*"], from_astro, principals=principals, sid="AstroObjects"),
            statement(["s3:ListBucket"], [arn], from_astro, *only_prefix, principals=principals, sid="AstroList"),
        )
