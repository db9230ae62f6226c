# Rules for the plan of an estate's stack, for conftest or OPA:
#
#   terraform show -json plan | conftest test - --policy examples/rego --data astro.yaml
#
# They check the plan, so they also work for Terraform that someone edited. `data` is the estate file. Values that are
# unknown until the apply are not checked, except in the trust policy of Astronomer's role.
package main

import rego.v1

astronomer := "406882777402"

role := "astronomer-remote-management"

resources contains resource if {
	some resource in input.resource_changes
	resource.mode == "managed"
	is_object(resource.change.after)
}

# The rules below compare the plan with the estate.
deny contains "no estate: pass it with --data astro.yaml" if not data.name

# 1. Exact principals: only Astronomer and the accounts of the estate can assume a role.

accounts contains astronomer

accounts contains account if {
	walk([data.clusters, data.networks], [path, account])
	path[count(path) - 1] == "account_id"
}

accounts contains data.account.account_id

deny contains message if {
	some trust in trusts
	some principal in principals(trust.statement)
	not exact(principal)
	message := sprintf("%s: trusts %s, which is neither Astronomer nor an account of the estate", [trust.address, principal])
}

deny contains message if {
	some trust in trusts
	trust.name == role
	some principal in principals(trust.statement)
	not regex.match(sprintf(`^arn:aws[\w-]*:iam::%s:root$`, [astronomer]), principal)
	message := sprintf("%s: trusts %s; only Astronomer's account %s assumes this role", [trust.address, principal, astronomer])
}

deny contains message if {
	some resource in resources
	resource.type == "aws_vpc_endpoint_service"
	some principal in resource.change.after.allowed_principals
	not exact(principal)
	message := sprintf("%s: offers the service to %s, which is not in an account of the estate", [resource.address, principal])
}

deny contains message if {
	some resource in resources
	resource.type == "aws_iam_role"
	resource.change.after.name == role
	not resource.change.after.assume_role_policy
	message := sprintf("%s: its trust policy is unknown until the apply", [resource.address])
}

exact(principal) if {
	found := regex.find_all_string_submatch_n(`^arn:aws[\w-]*:iam::(\d{12}):(root|(role|user)/[\w+=,.@/-]+)$`, principal, 1)
	found[0][1] in accounts
}

# 2. An external ID in each statement that lets Astronomer assume a role.

deny contains message if {
	some trust in trusts
	some principal in principals(trust.statement)
	contains(principal, sprintf("::%s:", [astronomer]))
	not has_external_id(trust.statement)
	message := sprintf("%s: lets Astronomer's account assume it without an external ID", [trust.address])
}

has_external_id(statement) if {
	ids := list(statement.Condition.StringEquals["sts:ExternalId"])
	count(ids) > 0
	every id in ids { count(id) > 1 }
}

# 3. No wildcard actions. Astronomer's document allows whole services, but must not allow every action, or all of IAM.

deny contains message if {
	some grant in grants
	some action in list(grant.statement.Action)
	endswith(action, "*")
	too_wide(grant.name, action)
	message := sprintf("%s: allows %s; name the actions", [grant.address, action])
}

deny contains message if {
	some grant in grants
	grant.statement.NotAction
	message := sprintf("%s: allows every action except a list (NotAction); name the actions", [grant.address])
}

deny contains message if {
	some resource in resources
	resource.type in {"aws_iam_role_policy_attachment", "aws_iam_policy_attachment"}
	arn := resource.change.after.policy_arn
	regex.match(`:aws:policy/(AdministratorAccess|PowerUserAccess|IAMFullAccess)$`, arn)
	message := sprintf("%s: attaches %s", [resource.address, arn])
}

grants contains grant if {
	some resource in resources
	resource.type in {"aws_iam_policy", "aws_iam_role_policy", "aws_iam_user_policy", "aws_iam_group_policy"}
	some statement in statements(resource.change.after.policy)
	statement.Effect == "Allow"
	grant := {"address": resource.address, "name": resource.change.after.name, "statement": statement}
}

too_wide(_, action) if action in {"*", "*:*", "iam:*"}

too_wide(name, action) if {
	not startswith(name, "AstronomerCrossAccountRole")
	endswith(action, ":*")
}

# 4. Exact shares: only with the clusters' accounts and the principals of `share_with`.

deny contains message if {
	some resource in resources
	resource.type == "aws_ram_principal_association"
	principal := resource.change.after.principal
	not principal in sharers
	message := sprintf("%s: shares with %s, which is not in the estate", [resource.address, principal])
}

sharers contains account if {
	walk(data.clusters, [path, account])
	path[count(path) - 1] == "account_id"
}

sharers contains data.account.account_id

sharers contains principal if {
	some connection in data.connections
	some principal in connection.share_with
}

# 5. Exact routes: a peering routes only to ranges of the clusters' VPCs, a transit gateway or a VPN only to ranges of the
# estate.

deny contains message if {
	some resource in resources
	resource.type == "aws_route"
	through(resource, "vpc_peering_connection_id")
	destination := resource.change.after.destination_cidr_block
	not destination in cluster_ranges
	message := sprintf("%s: routes %s through a peering, and no cluster has that range", [resource.address, destination])
}

deny contains message if {
	some resource in resources
	leads_out(resource)
	destination := resource.change.after.destination_cidr_block
	not destination in cluster_ranges | other_ranges
	message := sprintf("%s: routes %s, which is not in the estate", [resource.address, destination])
}

leads_out(resource) if {
	resource.type in {"aws_ec2_transit_gateway_route", "aws_vpn_connection_route"}
	not object.get(resource.change.after, "blackhole", false) # drops traffic
}

leads_out(resource) if {
	resource.type == "aws_route"
	through(resource, "transit_gateway_id")
}

through(resource, argument) if is_string(resource.change.after[argument])

through(resource, argument) if resource.change.after_unknown[argument] == true

# The default of `cidr`.
cluster_ranges contains "172.20.0.0/20" if {
	some cluster in data.clusters
	not cluster.cidr
}

cluster_ranges contains side.cidr if some side in sides

cluster_ranges contains range if {
	some side in sides
	some range in side.additional_cidrs
}

sides contains cluster if some cluster in data.clusters

sides contains cluster.dr if some cluster in data.clusters

other_ranges contains "0.0.0.0/0" if {
	some connection in data.connections
	connection.type == "egress_hub"
}

other_ranges contains range if {
	walk([data.networks, data.connections], [_, range])
	is_string(range)
	regex.match(`^[\d.]+/\d+$`, range)
}

# 6. No open ingress.

deny contains message if {
	some resource in resources
	some range in ingress(resource)
	endswith(range, "/0")
	message := sprintf("%s: allows ingress from %s", [resource.address, range])
}

ingress(resource) := ranges if {
	resource.type == "aws_vpc_security_group_ingress_rule"
	ranges := [object.get(resource.change.after, key, null) | some key in ["cidr_ipv4", "cidr_ipv6"]]
}

ingress(resource) := ranges if {
	resource.type in {"aws_security_group", "aws_default_security_group"}
	ranges := [range |
		some rule in resource.change.after.ingress
		some key in ["cidr_blocks", "ipv6_cidr_blocks"]
		some range in rule[key]
	]
}

ingress(resource) := ranges if {
	resource.type == "aws_security_group_rule"
	resource.change.after.type == "ingress"
	ranges := [range | some key in ["cidr_blocks", "ipv6_cidr_blocks"]; some range in resource.change.after[key]]
}

ingress(resource) := ranges if {
	resource.type == "aws_network_acl_rule"
	not resource.change.after.egress
	resource.change.after.rule_action == "allow"
	ranges := [object.get(resource.change.after, key, null) | some key in ["cidr_block", "ipv6_cidr_block"]]
}

# 7. An alarm for Astronomer's role in the same plan. Without `policy_alarm` in the estate, the alarm can be elsewhere, so
# this is a warning.

unwatched contains resource.address if {
	some resource in resources
	resource.type == "aws_iam_role"
	resource.change.after.name == role
	not watched(object.get(resource, "module_address", ""))
}

deny contains sprintf("%s: has no alarm on changes in this plan", [address]) if {
	some address in unwatched
	data.account.policy_alarm
}

warn contains sprintf("%s: has no alarm on changes; add account.policy_alarm", [address]) if {
	some address in unwatched
	not data.account.policy_alarm
}

watched(module) if {
	some filter in resources
	filter.type == "aws_cloudwatch_log_metric_filter"
	object.get(filter, "module_address", "") == module
	contains(filter.change.after.pattern, role)
	some alarm in resources
	alarm.type == "aws_cloudwatch_metric_alarm"
	object.get(alarm, "module_address", "") == module
	some metric in filter.change.after.metric_transformation
	alarm.change.after.metric_name == metric.name
	alarm.change.after.namespace == metric.namespace
}

# 8. Checked acceptance: Terraform accepts a request only with a precondition, which the plan has evaluated.

deny contains message if {
	some resource in resources
	resource.type in {"aws_vpc_peering_connection_accepter", "aws_ec2_transit_gateway_vpc_attachment_accepter"}
	not checked(resource)
	message := sprintf("%s: accepts a request without a precondition", [resource.address])
}

checked(resource) if {
	some check in input.checks
	check.address.kind == "resource"
	check.address.type == resource.type
	check.address.name == resource.name
	object.get(check.address, "module", "") == object.get(resource, "module_address", "")
	check.status in {"pass", "unknown"}
}

# Helpers for IAM documents.

trusts contains trust if {
	some resource in resources
	resource.type == "aws_iam_role"
	some statement in statements(resource.change.after.assume_role_policy)
	statement.Effect == "Allow"
	trust := {"address": resource.address, "name": resource.change.after.name, "statement": statement}
}

# AWS services and OIDC providers have other kinds of principals.
principals(statement) := [statement.Principal] if is_string(statement.Principal)

principals(statement) := list(statement.Principal.AWS)

statements(document) := list(json.unmarshal(document).Statement)

list(value) := value if is_array(value)

list(value) := [value] if not is_array(value)
