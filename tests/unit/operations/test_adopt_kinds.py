"""Each kind of resource that `main.py adopt` imports, and the reason why no other team can need it."""

import pytest

from operations.adopt.kinds import KINDS, NAME, Kind

BY_NAME = {
    "aws_cloudtrail": "name",
    "aws_cloudwatch_event_rule": "name",
    "aws_cloudwatch_log_group": "name",
    "aws_cloudwatch_log_metric_filter": "name",
    "aws_cloudwatch_metric_alarm": "alarm_name",
    "aws_ec2_managed_prefix_list": "name",
    "aws_ec2_transit_gateway": "tags.Name",
    "aws_ec2_transit_gateway_route_table": "tags.Name",
    "aws_ec2_transit_gateway_vpc_attachment": "tags.Name",
    "aws_eip": "tags.Name",
    "aws_iam_policy": "name",
    "aws_iam_role": "name",
    "aws_kms_key": "description",
    "aws_lb": "name",
    "aws_lb_target_group": "name",
    "aws_ram_resource_share": "name",
    "aws_route53_resolver_endpoint": "name",
    "aws_route53_resolver_firewall_domain_list": "name",
    "aws_route53_resolver_firewall_rule_group": "name",
    "aws_route53_zone": "comment",
    "aws_route_table": "tags.Name",
    "aws_s3_bucket": "bucket",
    "aws_security_group": "tags.Name",
    "aws_sns_topic": "name",
    "aws_vpc": "tags.Name",
    "aws_vpc_endpoint": "tags.Name",
    "aws_vpc_endpoint_service": "tags.Name",
}
"""Kinds with a name from the estate, and the argument with the name."""

PART_OF = {
    "aws_cloudwatch_event_target": "rule",
    "aws_ec2_transit_gateway_route_table_association": "transit_gateway_attachment_id",
    "aws_ec2_transit_gateway_route_table_propagation": "transit_gateway_attachment_id",
    "aws_flow_log": "vpc_id",
    "aws_iam_role_policies_exclusive": "role_name",
    "aws_iam_role_policy": "role",
    "aws_iam_role_policy_attachment": "role",
    "aws_iam_role_policy_attachments_exclusive": "role_name",
    "aws_internet_gateway": "vpc_id",
    "aws_lb_listener": "load_balancer_arn",
    "aws_nat_gateway": "subnet_id",
    "aws_ram_principal_association": "resource_share_arn",
    "aws_ram_resource_association": "resource_share_arn",
    "aws_route53_resolver_firewall_rule": "firewall_rule_group_id",
    "aws_route53_resolver_firewall_rule_group_association": "firewall_rule_group_id",
    "aws_route53_resolver_rule_association": "resolver_rule_id",
    "aws_route53_record": "zone_id",
    "aws_route53_vpc_association_authorization": "zone_id",
    "aws_route_table_association": "subnet_id",
    "aws_s3_bucket_lifecycle_configuration": "bucket",
    "aws_s3_bucket_ownership_controls": "bucket",
    "aws_s3_bucket_policy": "bucket",
    "aws_s3_bucket_public_access_block": "bucket",
    "aws_s3_bucket_server_side_encryption_configuration": "bucket",
    "aws_s3_bucket_versioning": "bucket",
    "aws_sns_topic_policy": "arn",
    "aws_sns_topic_subscription": "topic_arn",
    "aws_subnet": "vpc_id",
    "aws_vpc_endpoint_connection_notification": "vpc_endpoint_service_id",
    "aws_vpn_connection": "customer_gateway_id",
}
"""Parts of a resource that is found first, and the argument that refers to it."""

FOR_ASTRONOMER = {
    "aws_ec2_transit_gateway_peering_attachment_accepter",
    "aws_ec2_transit_gateway_route",
    "aws_ec2_transit_gateway_vpc_attachment_accepter",
    "aws_network_acl_rule",
    "aws_route",
    "aws_vpc_peering_connection_accepter",
    "aws_vpc_peering_connection_options",
    "aws_vpc_security_group_ingress_rule",
}
"""Kinds that serve only a connection of Astronomer or a range of the file."""

KEPT_BY_AWS = {"aws_account_region", "aws_servicequotas_service_quota"}
"""Kinds whose destroy changes nothing in AWS."""

USED_BY = {
    "aws_customer_gateway",
    "aws_iam_openid_connect_provider",
    "aws_route53_resolver_rule",
    "aws_vpn_gateway",
}
"""Kinds whose users AWS lists, with the call in `users`."""


def arguments_of(kind: Kind) -> str:
    """Return all expressions on planned arguments."""
    return " ".join([kind.id, *kind.ask.values(), *kind.same.values(), *kind.fixed.values()])


IMPORTED = {type_: kind for type_, kind in KINDS.items() if isinstance(kind, Kind) and "." not in type_}


def test_every_kind_has_its_reason() -> None:
    reasons = [*BY_NAME, *PART_OF, *FOR_ASTRONOMER, *KEPT_BY_AWS, *USED_BY]
    assert sorted(reasons) == sorted(IMPORTED)


@pytest.mark.parametrize(("type_", "argument"), [*BY_NAME.items(), *PART_OF.items()])
def test_a_kind_is_found_by_its_name_or_its_whole(type_: str, argument: str) -> None:
    assert argument in arguments_of(IMPORTED[type_])


def test_kinds_with_users_name_them_and_the_remedy() -> None:
    assert {type_ for type_, kind in IMPORTED.items() if kind.users} == USED_BY
    assert {type_ for type_ in USED_BY if not IMPORTED[type_].remedy} == {"aws_customer_gateway"}


def test_two_kinds_are_found_without_a_name_in_the_query() -> None:
    without = {type_ for type_, kind in IMPORTED.items() if kind.unfinished and NAME not in str(kind.unfinished)}
    assert without == {"aws_customer_gateway", "aws_route53_zone"}
