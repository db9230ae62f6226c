import re
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from cdktf import TerraformVariable, Testing, Token
from cdktf_cdktf_provider_aws.vpn_connection import VpnConnection
from cdktf_cdktf_provider_aws.vpn_gateway import VpnGateway
from pydantic import ValidationError

from modules.entry import Secret
from modules.vpc.construct import Vpc
from modules.vpc.props import VpcProps
from modules.vpn.construct import Vpn
from modules.vpn.props import VpnProps
from tests.support.estates import changed, mistakes
from tests.support.networks import OF_EACH_TABLE, context_of, network, sides
from tests.support.synth import NewStack, parsed

MINIMAL: dict[str, Any] = {"type": "vpn", "network": "lake", "gateways": {"a": {"ip": "203.0.113.10"}}}
BGP: dict[str, Any] = {**MINIMAL, "bgp_asn": 65010}
STATIC: dict[str, Any] = {**MINIMAL, "static_routes": {"floor": "192.168.40.0/24", "offices": "192.168.48.0/21"}}
TRANSIT: dict[str, Any] = {"transit_gateway_id": "tgw-0123456789abcdef0"}
TWO: dict[str, Any] = {"a": {"ip": "203.0.113.10"}, "b": {"ip": "203.0.113.11"}}

STRONG: dict[str, Any] = {
    "ike_versions": ["ikev2"],
    "phase1_encryption_algorithms": ["AES256-GCM-16"],
    "phase1_integrity_algorithms": ["SHA2-384"],
    "phase1_dh_group_numbers": [20],
    "phase1_lifetime_seconds": 28800,
    "phase2_encryption_algorithms": ["AES256-GCM-16"],
    "phase2_integrity_algorithms": ["SHA2-384"],
    "phase2_dh_group_numbers": [20],
    "phase2_lifetime_seconds": 3600,
    "rekey_margin_time_seconds": 270,
    "rekey_fuzz_percentage": 100,
    "replay_window_size": 1024,
    "dpd_timeout_seconds": 30,
    "dpd_timeout_action": "restart",
    "startup_action": "start",
}


def tunnels(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of both tunnels, as `aws_vpn_connection` spells them."""
    both = {1: first, 2: second}
    return {f"tunnel{n}_{option}": value for n, options in both.items() for option, value in options.items()}


def placed(new_stack: NewStack, props: dict[str, Any]) -> dict[str, Any]:
    vpn = VpnProps.model_validate(props)
    stack = new_stack()
    Vpn(stack, "office", vpn, sides())
    return parsed(Testing.synth(stack, True))["resource"]


def test_connects_a_device_over_two_strong_tunnels(new_stack: NewStack) -> None:
    tf = placed(new_stack, BGP)
    assert tf["aws_customer_gateway"] == {
        "office_customer-gateway_a": {
            "type": "ipsec.1",
            "ip_address": "203.0.113.10",
            "bgp_asn": "65010",
            "device_name": "acme-conn-a",
            "lifecycle": {"create_before_destroy": True, "ignore_changes": ["device_name"]},
            "tags": {"Name": "acme-conn-a"},
        }
    }
    assert tf["aws_vpn_connection"] == {
        "office_connection_a": {
            "type": "ipsec.1",
            "customer_gateway_id": "${aws_customer_gateway.office_customer-gateway_a.id}",
            "vpn_gateway_id": "${aws_vpn_gateway.office_gateway.id}",
            "static_routes_only": False,
            "preshared_key_storage": "SecretsManager",
            "lifecycle": {"replace_triggered_by": ["terraform_data.office_target.input"]},
            "tags": {"Name": "acme-conn-a"},
            **tunnels(STRONG, STRONG),
        }
    }
    assert tf["terraform_data"] == {"office_target": {"input": {"gateway": "${aws_vpn_gateway.office_gateway.id}"}}}


def test_makes_a_gateway_and_the_networks_tables_learn_from_it(new_stack: NewStack) -> None:
    tf = placed(new_stack, {**BGP, "amazon_asn": 64620})
    assert tf["aws_vpn_gateway"] == {
        "office_gateway": {
            "vpc_id": "vpc-0123456789abcdef0",
            "amazon_side_asn": "64620",
            "tags": {"Name": "acme-conn"},
        }
    }
    assert tf["aws_vpn_gateway_route_propagation"] == {
        "office_propagation": {**OF_EACH_TABLE, "vpn_gateway_id": "${aws_vpn_gateway.office_gateway.id}"}
    }
    assert not {"aws_vpn_connection_route", "aws_route", "aws_ec2_transit_gateway_route"} & set(tf)


def test_uses_a_gateway_that_exists(new_stack: NewStack) -> None:
    stack, there = new_stack(), {"vpn_gateway_id": "vgw-0123456789abcdef0"}
    Vpn(stack, "office", VpnProps.model_validate({**BGP, **there}), sides())
    synthesized = Testing.synth(stack)
    assert not Testing.to_have_resource(synthesized, VpnGateway.TF_RESOURCE_TYPE)
    assert Testing.to_have_resource_with_properties(synthesized, VpnConnection.TF_RESOURCE_TYPE, there)
    # From one existing gateway to another, a connection moves in place.
    tf = parsed(synthesized)["resource"]
    assert tf["terraform_data"] == {"office_target": {"input": {"gateway": "vpn_gateway_id"}}}
    assert tf["aws_vpn_gateway_route_propagation"] == {"office_propagation": {**OF_EACH_TABLE, **there}}


def test_discovered_tables_learn_too(new_stack: NewStack) -> None:
    vpc = VpcProps(
        account_id="111111111111",
        region="us-east-1",
        vpc_id="vpc-0123456789abcdef0",
        cidrs=(IPv4Network("10.20.0.0/16"),),
        route_tables="all",
    )
    stack = new_stack()
    network = Vpc(stack, "lake", vpc, "acme-lake").network
    Vpn(stack, "office", VpnProps.model_validate(BGP), sides(network))
    assert parsed(Testing.synth(stack, True))["resource"]["aws_vpn_gateway_route_propagation"] == {
        "office_propagation": {
            "for_each": "${setsubtract(data.aws_route_tables.lake_route-tables.ids, "
            "data.aws_route_tables.lake_edge-route-tables.ids)}",
            "route_table_id": "${each.value}",
            "vpn_gateway_id": "${aws_vpn_gateway.office_gateway.id}",
        }
    }


def test_a_second_device_is_a_second_connection(new_stack: NewStack) -> None:
    tf = placed(new_stack, {**BGP, "gateways": TWO})
    assert {name: it["ip_address"] for name, it in tf["aws_customer_gateway"].items()} == {
        "office_customer-gateway_a": "203.0.113.10",
        "office_customer-gateway_b": "203.0.113.11",
    }
    assert {name: it["customer_gateway_id"] for name, it in tf["aws_vpn_connection"].items()} == {
        f"office_connection_{name}": f"${{aws_customer_gateway.office_customer-gateway_{name}.id}}" for name in "ab"
    }
    assert list(tf["aws_vpn_gateway"]) == ["office_gateway"]


@pytest.mark.parametrize(
    ("asn", "argument"),
    [
        (1, "bgp_asn"),
        (2147483647, "bgp_asn"),
        (2147483648, "bgp_asn_extended"),
        (4294967294, "bgp_asn_extended"),
    ],
)
def test_a_large_asn_has_its_own_argument(new_stack: NewStack, asn: int, argument: str) -> None:
    device = placed(new_stack, {**MINIMAL, "bgp_asn": asn})["aws_customer_gateway"]["office_customer-gateway_a"]
    assert {key: value for key, value in device.items() if "asn" in key} == {argument: str(asn)}


def test_without_bgp_the_vpn_gateway_gets_the_ranges(new_stack: NewStack) -> None:
    tf = placed(new_stack, STATIC)
    assert tf["aws_customer_gateway"]["office_customer-gateway_a"]["bgp_asn"] == "65000"
    assert tf["aws_vpn_connection"]["office_connection_a"]["static_routes_only"] is True
    assert tf["aws_vpn_connection_route"] == {
        f"office_route_a_{name}": {
            "vpn_connection_id": "${aws_vpn_connection.office_connection_a.id}",
            "destination_cidr_block": cidr,
        }
        for name, cidr in STATIC["static_routes"].items()
    }
    assert list(tf["aws_vpn_gateway_route_propagation"]) == ["office_propagation"]


ATTACHMENT = "${aws_vpn_connection.office_connection_a.transit_gateway_attachment_id}"
ASSOCIATION = {
    "office_association_a": {
        "transit_gateway_attachment_id": ATTACHMENT,
        "transit_gateway_route_table_id": "tgw-rtb-0aaaaaaaaaaaaaaaa",
        "replace_existing_association": True,
    }
}
TABLES: dict[str, Any] = {
    "association": "tgw-rtb-0aaaaaaaaaaaaaaaa",
    "routes": {"clusters": "tgw-rtb-0bbbbbbbbbbbbbbbb", "hub": "tgw-rtb-0cccccccccccccccc"},
}


def test_without_bgp_named_gateway_tables_get_static_routes(new_stack: NewStack) -> None:
    tf = placed(new_stack, {**STATIC, **TRANSIT, "route_tables": TABLES})
    connection = tf["aws_vpn_connection"]["office_connection_a"]
    assert connection["transit_gateway_id"] == "tgw-0123456789abcdef0"
    assert "vpn_gateway_id" not in connection
    assert tf["aws_ec2_transit_gateway_route_table_association"] == ASSOCIATION
    assert tf["aws_ec2_transit_gateway_route"] == {
        f"office_route_a_{table}_{name}": {
            "destination_cidr_block": cidr,
            "transit_gateway_attachment_id": ATTACHMENT,
            "transit_gateway_route_table_id": id_,
        }
        for table, id_ in TABLES["routes"].items()
        for name, cidr in STATIC["static_routes"].items()
    }
    assert not {kind for kind in tf if "propagation" in kind or "vpn_gateway" in kind or "connection_route" in kind}


def test_bgp_routes_are_propagated_into_named_gateway_tables(new_stack: NewStack) -> None:
    tf = placed(new_stack, {**BGP, **TRANSIT, "route_tables": TABLES})
    assert tf["aws_ec2_transit_gateway_route_table_association"] == ASSOCIATION
    assert tf["aws_ec2_transit_gateway_route_table_propagation"] == {
        f"office_propagation_a_{table}": {
            "transit_gateway_attachment_id": ATTACHMENT,
            "transit_gateway_route_table_id": id_,
        }
        for table, id_ in TABLES["routes"].items()
    }
    assert "aws_ec2_transit_gateway_route" not in tf


def test_leaves_a_transit_gateways_default_tables_to_it(new_stack: NewStack) -> None:
    assert set(placed(new_stack, {**BGP, **TRANSIT})) == {
        "aws_customer_gateway",
        "aws_vpn_connection",
        "aws_cloudwatch_metric_alarm",
        "terraform_data",
    }


def test_acceleration_is_turned_off_again(new_stack: NewStack) -> None:
    """Without the argument, Terraform would keep the connection accelerated."""
    on_transit, on_network = (
        placed(new_stack, props)["aws_vpn_connection"]["office_connection_a"] for props in ({**BGP, **TRANSIT}, BGP)
    )
    # The provider refuses the argument without a transit gateway.
    assert (on_transit["enable_acceleration"], on_network.get("enable_acceleration")) == (False, None)


def test_inside_ranges_are_a_tunnels_own(new_stack: NewStack) -> None:
    inside = {"tunnel1_inside_cidr": "169.254.10.0/30", "tunnel2_inside_cidr": "169.254.10.4/30"}
    tf = placed(new_stack, {**BGP, "gateways": {**TWO, "a": {"ip": "203.0.113.10", **inside}}})["aws_vpn_connection"]
    found = {name: {k: v for k, v in it.items() if "inside" in k} for name, it in tf.items()}
    assert found == {"office_connection_a": inside, "office_connection_b": {}}


def test_negotiates_the_options_of_the_file(new_stack: NewStack) -> None:
    told = {
        "ike_versions": ("ikev1", "ikev2"),
        "phase1": {
            "encryption": ("AES256", "AES128"),
            "integrity": ("SHA2-256",),
            "dh_groups": (2, 14),
            "lifetime_seconds": 14400,
        },
        "phase2": {"encryption": ("AES256",), "integrity": ("SHA1",), "dh_groups": (5,), "lifetime_seconds": 1800},
        "rekey_margin_seconds": 900,
        "rekey_fuzz_percent": 50,
        "replay_window_packets": 2048,
        "dpd_timeout_seconds": 60,
        "dpd_timeout_action": "clear",
        "startup_action": "add",
        "weak_reason": "The plant's firewall is from 2009, NET-12",
    }
    spelled = {
        "ike_versions": ["ikev1", "ikev2"],
        "phase1_encryption_algorithms": ["AES256", "AES128"],
        "phase1_integrity_algorithms": ["SHA2-256"],
        "phase1_dh_group_numbers": [2, 14],
        "phase1_lifetime_seconds": 14400,
        "phase2_encryption_algorithms": ["AES256"],
        "phase2_integrity_algorithms": ["SHA1"],
        "phase2_dh_group_numbers": [5],
        "phase2_lifetime_seconds": 1800,
        "rekey_margin_time_seconds": 900,
        "rekey_fuzz_percentage": 50,
        "replay_window_size": 2048,
        "dpd_timeout_seconds": 60,
        "dpd_timeout_action": "clear",
        "startup_action": "add",
    }
    connection = placed(new_stack, {**BGP, "tunnels": told})["aws_vpn_connection"]["office_connection_a"]
    assert {k: v for k, v in connection.items() if k.startswith("tunnel")} == tunnels(spelled, spelled)


@pytest.mark.parametrize(("where", "storage"), [("secrets-manager", "SecretsManager"), ("state", "Standard")])
def test_aws_generates_the_keys(new_stack: NewStack, where: str, storage: str) -> None:
    props = {**BGP, "preshared_keys": where}
    assert VpnProps.model_validate(props).secrets() == ()
    connection = placed(new_stack, props)["aws_vpn_connection"]["office_connection_a"]
    assert {k: v for k, v in connection.items() if "preshared" in k} == {"preshared_key_storage": storage}


def test_your_keys_come_in_a_sensitive_variable(new_stack: NewStack) -> None:
    props = VpnProps.model_validate({**BGP, "gateways": TWO, "preshared_keys": "variable"})
    stack = new_stack()
    variable = TerraformVariable(stack, "office_preshared_keys", type="map(string)", sensitive=True)
    Vpn(stack, "office", props, sides(secrets={"preshared_keys": Token.as_any(variable.fqn)}))
    tf = parsed(Testing.synth(stack, True))["resource"]["aws_vpn_connection"]
    assert {name: {k: v for k, v in it.items() if "preshared" in k} for name, it in tf.items()} == {
        f"office_connection_{name}": {
            "preshared_key_storage": "Standard",
            "tunnel1_preshared_key": f'${{var.office_preshared_keys["{name}-1"]}}',
            "tunnel2_preshared_key": f'${{var.office_preshared_keys["{name}-2"]}}',
        }
        for name in "ab"
    }


def test_the_variable_describes_its_keys_and_their_form() -> None:
    props = VpnProps.model_validate({**BGP, "gateways": TWO, "preshared_keys": "variable"})
    assert props.secrets() == (
        Secret(
            name="preshared_keys",
            type="map(string)",
            description="The pre-shared keys of the tunnels: a-1, a-2, b-1, b-2.",
            pattern="[1-9a-zA-Z._][0-9a-zA-Z._]{7,63}",
            allowed="A key for each of a-1, a-2, b-1, b-2, and no other; each has 8 to 64 of a-z A-Z 0-9 . _ and does "
            "not begin with 0 (AWS's rule).",
            keys=("a-1", "a-2", "b-1", "b-2"),
        ),
    )
    (secret,) = props.secrets()
    assert secret.condition("var.x") == (
        'join(" ", keys(var.x)) == "a-1 a-2 b-1 b-2" && '
        'alltrue([for one in values(var.x) : can(regex("^[1-9a-zA-Z._][0-9a-zA-Z._]{7,63}$", one))])'
    )
    keys = {"marked.preshared_1": True, "a" * 8: True, "a" * 64: True, "a" * 7: False, "a" * 65: False}
    keys |= {"0aaaaaaa": False, "aaaa-aaaa": False, "": False}
    others = dict.fromkeys(("a-2", "b-1", "b-2"), "marked.preshared_1")
    assert {key: secret.problem({"a-1": key, **others}) is None for key in keys} == keys
    assert secret.problem(others) is not None


@pytest.mark.parametrize("topic", [None, "arn:aws:sns:us-east-1:111111111111:network"])
def test_an_alarm_is_triggered_if_either_tunnel_is_down(new_stack: NewStack, topic: str | None) -> None:
    tells = {"alarm_actions": [topic], "ok_actions": [topic]} if topic else {}
    assert placed(new_stack, {**BGP, "alarm_topic": topic})["aws_cloudwatch_metric_alarm"] == {
        "office_alarm_a": {
            "alarm_name": "acme-conn-a-tunnel-down",
            "alarm_description": "A tunnel of VPN connection acme-conn-a was down in the last 5 minutes",
            "namespace": "AWS/VPN",
            "metric_name": "TunnelState",
            "dimensions": {"VpnId": "${aws_vpn_connection.office_connection_a.id}"},
            "statistic": "Minimum",
            "comparison_operator": "LessThanThreshold",
            "threshold": 1,
            "period": 300,
            "evaluation_periods": 1,
            "treat_missing_data": "breaching",
            **tells,
        }
    }


def test_can_log_the_tunnels(new_stack: NewStack) -> None:
    tf = placed(new_stack, {**BGP, "tunnel_log_days": 30})
    assert tf["aws_cloudwatch_log_group"] == {
        "office_tunnel-logs": {"name": "/aws/vendedlogs/vpn/acme-conn", "retention_in_days": 30}
    }
    to = {"log_enabled": True, "log_output_format": "json"}
    to["log_group_arn"] = "${aws_cloudwatch_log_group.office_tunnel-logs.arn}"
    connection = tf["aws_vpn_connection"]["office_connection_a"]
    assert [connection[f"tunnel{n}_log_options"] for n in (1, 2)] == [{"cloudwatch_log_options": to}] * 2
    assert "aws_cloudwatch_log_group" not in placed(new_stack, BGP)


def test_hands_over_the_settings_of_the_device_and_no_key(new_stack: NewStack) -> None:
    connection = "aws_vpn_connection.office_connection_a"
    stack = new_stack()
    props = VpnProps.model_validate({**BGP, **TRANSIT})
    stack.add_override("output.handoff.value", Vpn(stack, "office", props, sides()).handoff)
    assert parsed(Testing.synth(stack, True))["output"]["handoff"]["value"] == {
        "a": {
            "vpn_connection_id": f"${{{connection}.id}}",
            "ip": "203.0.113.10",
            "bgp_asn": 65010,
            "tunnels": {
                n: {
                    "aws_ip": f"${{{connection}.tunnel{n}_address}}",
                    "aws_inside_ip": f"${{{connection}.tunnel{n}_vgw_inside_address}}",
                    "your_inside_ip": f"${{{connection}.tunnel{n}_cgw_inside_address}}",
                    "inside_cidr": f"${{{connection}.tunnel{n}_inside_cidr}}",
                    "aws_bgp_asn": f"${{{connection}.tunnel{n}_bgp_asn}}",
                }
                for n in ("1", "2")
            },
            "transit_gateway_attachment_id": f"${{{connection}.transit_gateway_attachment_id}}",
            "preshared_keys_secret": f"${{{connection}.preshared_key_arn}}",
        }
    }


def test_hands_over_ranges_instead_of_an_asn_without_bgp(new_stack: NewStack) -> None:
    def told(more: dict[str, Any]) -> dict[str, Any]:
        stack = new_stack()
        props = VpnProps.model_validate({**STATIC, **more})
        stack.add_override("output.handoff.value", Vpn(stack, "office", props, sides()).handoff)
        return parsed(Testing.synth(stack, True))["output"]["handoff"]["value"]["a"]

    learned = told({})
    assert learned["static_routes"] == STATIC["static_routes"]
    assert not {"bgp_asn", "note"} & set(learned)
    by_transit_gateway = told({**TRANSIT, "route_tables": TABLES})
    assert by_transit_gateway["static_routes"] == STATIC["static_routes"]
    assert by_transit_gateway["note"] == (
        "The transit gateway routes these ranges into the tunnels. The network's own route tables have no "
        "such routes. If the network "
        "needs them, add routes to the gateway there."
    )


ASTRO: dict[str, Any] = {
    "type": "vpn",
    "terminates": "astro",
    "cluster": "prod",
    "gateways": {
        "a": {
            "ip": "203.0.113.10",
            "tunnel1_inside_cidr": "169.254.10.0/30",
            "tunnel2_inside_cidr": "169.254.10.4/30",
        },
        "b": {"ip": "203.0.113.11"},
    },
    "bgp_asn": 64512,  # AWS's default ASN, which your gateway could not use; here the AWS side is Astronomer's
}


def test_the_request_for_a_vpn_of_the_cluster_has_no_key() -> None:
    old = {"phase1": {"dh_groups": (2,)}, "weak_reason": "The plant's firewall is from 2009, NET-12"}
    props = VpnProps.model_validate({**ASTRO, "tunnels": old})
    assert props.asked_of_astronomer() == {
        "gateways": ASTRO["gateways"],
        "bgp_asn": 64512,
        "tunnels": {
            "ike_versions": ["ikev2"],
            "phase1": {
                "encryption": ["AES256-GCM-16"],
                "integrity": ["SHA2-384"],
                "dh_groups": [2],
                "lifetime_seconds": 28800,
            },
            "phase2": {
                "encryption": ["AES256-GCM-16"],
                "integrity": ["SHA2-384"],
                "dh_groups": [20],
                "lifetime_seconds": 3600,
            },
            "rekey_margin_seconds": 270,
            "rekey_fuzz_percent": 100,
            "replay_window_packets": 1024,
            "dpd_timeout_seconds": 30,
            "dpd_timeout_action": "restart",
            "startup_action": "start",
        },
    }
    static = VpnProps.model_validate({**ASTRO, "bgp_asn": None, "static_routes": STATIC["static_routes"]})
    asked = static.asked_of_astronomer()
    assert (asked["static_routes"], "bgp_asn" in asked) == (STATIC["static_routes"], False)
    assert VpnProps.model_validate(BGP).asked_of_astronomer() == {}


def test_a_vpn_of_the_cluster_claims_nothing_and_has_no_secret() -> None:
    props = VpnProps.model_validate(ASTRO)
    assert (props.network, props.cluster_names(), list(props.claims()), props.secrets()) == ("", ("prod",), [], ())
    assert (VpnProps.model_validate(BGP).network, VpnProps.model_validate(BGP).cluster_names()) == ("lake", ())


def test_a_vpn_of_the_cluster_waits_for_the_network_team_too() -> None:
    gateways = {"a": {"tunnel1_inside_cidr": "169.254.10.0/30"}, "b": {}}
    props = VpnProps.model_validate({**ASTRO, "gateways": gateways, "bgp_asn": None})
    assert [one.field for one in props.pending_inputs()] == ["gateways.a.ip", "gateways.b.ip", "bgp_asn"]
    asked = props.asked_of_astronomer()
    assert asked["gateways"] == {
        "a": {"ip": None, "tunnel1_inside_cidr": "169.254.10.0/30"},
        "b": {"ip": None},
    }
    assert asked["bgp_asn"] is None


@pytest.mark.parametrize(
    ("changes", "where", "hint"),
    [
        ({"network": "lake"}, "terminates", "cannot be combined with network"),
        ({"cluster": None}, "", "has terminates: astro without cluster"),
        ({"terminates": "network", "cluster": None}, "", "has no network"),
        ({"terminates": "network", "network": "lake"}, "cluster", "is only for a VPN that Astronomer creates"),
        ({"terminates": "aws"}, "terminates", "'network' or 'astro'"),
        (
            {"gateways": {"a": {"ip": "10.0.0.1"}}},
            "gateways.a",
            "has the private address 10.0.0.1",
        ),
        ({"tunnels": {"phase1": {"dh_groups": (2,)}}}, "tunnels", "allows 2, which is weak"),
        ({"static_routes": {"a": "192.168.0.0/16"}}, "static_routes", "cannot be combined with bgp_asn"),
        *(
            ({field: value}, field, "is not supported with terminates: astro")
            for field, value in (
                ("transit_gateway_id", "tgw-0123456789abcdef0"),
                ("route_tables", {}),
                ("vpn_gateway_id", "vgw-0123456789abcdef0"),
                ("amazon_asn", 64620),
                ("preshared_keys", "variable"),
                ("tunnel_log_days", 30),
                ("alarm_topic", "arn:aws:sns:us-east-1:111111111111:network"),
            )
        ),
    ],
)
def test_rejects_fields_that_a_vpn_of_the_cluster_cannot_have(changes: dict[str, Any], where: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(hint)) as caught:
        VpnProps.model_validate({**ASTRO, **changes})
    assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [where]


def test_builds_the_part_that_needs_no_pending_input(new_stack: NewStack) -> None:
    waiting = {**MINIMAL, "gateways": {"a": {}, "b": {"ip": "203.0.113.11"}}}
    pending = [(a.field, a.giver) for a in VpnProps.model_validate(waiting).pending_inputs()]
    assert pending == [("gateways.a.ip", "your network team"), ("bgp_asn", "your network team")]
    made = {"aws_vpn_gateway", "aws_vpn_gateway_route_propagation", "terraform_data"}
    assert set(placed(new_stack, waiting)) == made
    assert list(placed(new_stack, {**waiting, "bgp_asn": 65010})["aws_vpn_connection"]) == ["office_connection_b"]
    assert VpnProps.model_validate(BGP).pending_inputs() == VpnProps.model_validate(STATIC).pending_inputs() == ()


def test_static_ranges_count_in_the_overlap_check() -> None:
    assert list(VpnProps.model_validate(STATIC).occupied_cidrs()) == [
        (("static_routes", "floor"), IPv4Network("192.168.40.0/24")),
        (("static_routes", "offices"), IPv4Network("192.168.48.0/21")),
    ]


def test_an_alarm_notifies_a_topic_of_its_region() -> None:
    props = VpnProps.model_validate({**BGP, "alarm_topic": "arn:aws:sns:us-east-1:555555555555:network"})
    assert list(props.check(context_of(network(), {}))) == []
    assert list(props.check(context_of(network(region="us-west-2"), {}))) == [
        (
            ("alarm_topic",),
            "'arn:aws:sns:us-east-1:555555555555:network' is not in us-west-2; an alarm can only notify topics in "
            "its region",
        )
    ]


OLD = {"encryption": ("AES256",), "integrity": ("SHA2-256",)}
REASON = "The plant's firewall is from 2009, NET-12"


@pytest.mark.parametrize(
    ("changes", "where", "hint"),
    [
        ({"gateways": {}}, "gateways", "at least 1"),
        ({"gateways": {"A": {}}}, "gateways.A.[key]", "is not a name"),
        (
            {"gateways": {"a": {"ip": "10.0.0.1"}}},
            "gateways.a",
            "has the private address 10.0.0.1",
        ),
        (
            {"gateways": {"a": {"ip": "100.64.0.1"}}},
            "gateways.a",
            "has the private address 100.64.0.1",
        ),
        ({"gateways": {"a": {"ip": "127.0.0.1"}}}, "gateways.a.ip", "is not a public IPv4 address"),
        ({"gateways": {"a": {"ip": "203.0.113.01"}}}, "gateways.a.ip", "is not an IPv4 address"),
        ({"gateways": {"a": {"ip": "169.254.0.1"}}}, "gateways.a.ip", "is not a public IPv4 address"),
        ({"gateways": {"a": {"ip": "224.0.0.1"}}}, "gateways.a.ip", "is not a public IPv4 address"),
        ({"gateways": {"a": {"ip": "240.0.0.1"}}}, "gateways.a.ip", "is not a public IPv4 address"),
        ({"gateways": {"a": {"ip": "0.0.0.1"}}}, "gateways.a.ip", "is not a public IPv4 address"),
        ({"gateways": {"a": {"ip": "256.0.0.1"}}}, "gateways.a.ip", "is not an IPv4 address"),
        ({"gateways": {"a": {"ip": "8.8.8.8/32"}}}, "gateways.a.ip", "is not an IPv4 address"),
        ({"gateways": {"a": {"ip": "2001:db8::1"}}}, "gateways.a.ip", "is not an IPv4 address"),
        (
            {"gateways": {"a": {"ip": "203.0.113.10"}, "b": {"ip": "203.0.113.10"}}},
            "gateways",
            "has the address 203.0.113.10 twice",
        ),
        (
            {"gateways": {"a": {"tunnel1_inside_cidr": "169.254.10.0/30", "tunnel2_inside_cidr": "169.254.10.0/30"}}},
            "gateways",
            "has the inside range 169.254.10.0/30 twice",
        ),
        (
            {
                "gateways": {
                    "a": {"tunnel1_inside_cidr": "169.254.10.0/30"},
                    "b": {"tunnel2_inside_cidr": "169.254.10.0/30"},
                }
            },
            "gateways",
            "has the inside range 169.254.10.0/30 twice",
        ),
        *(
            ({"gateways": {"a": {"tunnel1_inside_cidr": cidr}}}, "gateways.a.tunnel1_inside_cidr", hint)
            for cidr, hint in (
                ("169.254.0.0/30", "is reserved by AWS"),
                ("169.254.5.0/30", "is reserved by AWS"),
                ("169.254.169.252/30", "is reserved by AWS"),
                ("169.254.10.0/29", "is a /29"),
                ("10.0.0.0/30", "169.254.0.0/16"),
                ("169.254.10.2/30", "host bits"),
            )
        ),
        ({"bgp_asn": 0}, "bgp_asn", "greater than or equal to 1"),
        ({"bgp_asn": 4294967295}, "bgp_asn", "less than or equal to 4294967294"),
        ({"bgp_asn": 7224}, "bgp_asn", "is an ASN of Amazon"),
        ({"bgp_asn": 64512}, "", "has 64512 as bgp_asn and as AWS's own"),
        ({"amazon_asn": 65010}, "", "has 65010 as bgp_asn and as AWS's own"),
        ({"amazon_asn": 65535}, "amazon_asn", "is not a private ASN"),
        ({"static_routes": {"office": "192.168.0.0/16"}}, "static_routes", "cannot be combined with bgp_asn"),
        (
            {"vpn_gateway_id": "vgw-0123456789abcdef0", **TRANSIT},
            "vpn_gateway_id",
            "cannot be combined with transit_gateway_id",
        ),
        ({"amazon_asn": 64620, **TRANSIT}, "amazon_asn", "transit_gateway_id is an existing one"),
        (
            {"amazon_asn": 64620, "vpn_gateway_id": "vgw-0123456789abcdef0"},
            "amazon_asn",
            "vpn_gateway_id is an existing one",
        ),
        ({"route_tables": TABLES}, "route_tables", "transit_gateway_id is not set"),
        ({"vpn_gateway_id": "tgw-0123456789abcdef0"}, "vpn_gateway_id", "is not a virtual private gateway ID"),
        ({"bgp_asn": None, "static_routes": STATIC["static_routes"], **TRANSIT}, "", "without route_tables.routes"),
        (
            {"bgp_asn": None, "static_routes": STATIC["static_routes"], "gateways": TWO, **TRANSIT},
            "transit_gateway_id",
            "two devices need BGP",
        ),
        ({"preshared_keys": "s3cret.key"}, "preshared_keys", "'variable'"),
        ({"alarm_topic": "network"}, "alarm_topic", "is not an SNS topic"),
        ({"tunnel_log_days": 31}, "tunnel_log_days", "30, 60"),
        *(
            ({"tunnels": {f"phase{phase}": {field: value}}}, f"tunnels.phase{phase}.{field}", hint)
            for phase, field, value, hint in (
                (1, "dh_groups", (1,), "2, 14"),
                (1, "dh_groups", (5,), "2, 14"),
                (1, "dh_groups", (), "is empty"),
                (2, "dh_groups", (1,), "2, 5, 14"),
                (1, "encryption", ("3DES",), "'AES128'"),
                (1, "integrity", ("MD5",), "'SHA1'"),
                (1, "lifetime_seconds", 899, "greater than or equal to 900"),
                (1, "lifetime_seconds", 28801, "less than or equal to 28800"),
                (2, "lifetime_seconds", 899, "greater than or equal to 900"),
                (2, "lifetime_seconds", 3601, "less than or equal to 3600"),
            )
        ),
        *(
            ({"tunnels": {field: value}}, f"tunnels.{field}", hint)
            for field, value, hint in (
                ("ike_versions", ("ikev3",), "'ikev1' or 'ikev2'"),
                ("rekey_margin_seconds", 59, "greater than or equal to 60"),
                ("rekey_fuzz_percent", 0, "greater than or equal to 1"),
                ("rekey_fuzz_percent", 101, "less than or equal to 100"),
                ("replay_window_packets", 63, "greater than or equal to 64"),
                ("replay_window_packets", 2049, "less than or equal to 2048"),
                ("dpd_timeout_seconds", 29, "greater than or equal to 30"),
                ("dpd_timeout_action", "stop", "'clear', 'none' or 'restart'"),
                ("startup_action", "wait", "'add' or 'start'"),
            )
        ),
        *(
            ({"tunnels": options}, "tunnels", hint)
            for options, hint in (
                ({"phase1": {"lifetime_seconds": 3600}}, "3600, which is not below phase1's 3600"),
                ({"phase1": {"lifetime_seconds": 900}}, "3600, which is not below phase1's 900"),
                ({"rekey_margin_seconds": 451, "phase2": {"lifetime_seconds": 900}}, "at most 450"),
                ({"phase1": {"dh_groups": (2, 14)}}, "allows 2, which is weak"),
                ({"phase2": {"dh_groups": (5, 24)}}, "allows 5, 24, which is weak"),
                ({"phase2": {"integrity": ("SHA1",)}}, "allows SHA1, which is weak"),
                (
                    {"phase1": {"encryption": ("AES128", "AES128-GCM-16")}},
                    "allows AES128, AES128-GCM-16, which is weak",
                ),
                ({"ike_versions": ("ikev1",), "phase1": OLD, "startup_action": "add"}, "allows ikev1, which is weak"),
                ({"weak_reason": REASON}, "allows no weak algorithm"),
                ({"ike_versions": ("ikev1",), "phase1": OLD, "weak_reason": REASON}, "start, which needs ikev2"),
                (
                    {"ike_versions": ("ikev1",), "startup_action": "add", "weak_reason": REASON},
                    "only GCM in phase1.encryption",
                ),
            )
        ),
    ],
)
def test_rejects_invalid_values(changes: dict[str, Any], where: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(hint)) as caught:
        VpnProps.model_validate({**BGP, **changes})
    assert ".".join(map(str, caught.value.errors()[0]["loc"])).removesuffix(".0") == where


def test_reports_every_obstacle_to_tunnel_negotiation(tmp_path: Path) -> None:
    tunnels = (
        "tunnels: {ike_versions: [ikev1], phase1: {lifetime_seconds: 900}, phase2: {lifetime_seconds: 1800}, "
        "rekey_margin_seconds: 1800}"
    )
    entry = f"type: vpn, network: lake, gateways: {{a: {{ip: 203.0.113.10}}}}, bgp_asn: 65010, {tunnels}"
    found = mistakes(tmp_path, changed("connections:\n", f"connections:\n  x: {{{entry}}}\n"))
    assert [one.partition("connections.x.tunnels: ")[2] for one in found] == [
        "allows ikev1, which is weak; remove it, or explain it in weak_reason",
        "has a phase2.lifetime_seconds of 1800, which is not below phase1's 900 as AWS requires; change one",
        "has a rekey_margin_seconds of 1800, more than half of phase2.lifetime_seconds; at most 900",
        "has only GCM in phase1.encryption, which needs ikev2 (RFC 5282); add AES256",
        "has startup_action start, which needs ikev2; set add, with which your device starts",
    ]
