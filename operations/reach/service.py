"""The hops from a cluster to one of your endpoint services, by PrivateLink."""

from collections.abc import Iterator
from typing import Any

from operations.status.check import Check, Outcome, View, done, failed, waiting


def by_service(v: View, cluster: str, port: int) -> Iterator[Check]:
    """Yield the hops: service, principal, connection, listener, targets, and the load balancer's security groups."""
    account = v.estate.clusters[cluster].account_id or "unknown"

    def service() -> dict[str, Any]:
        id_ = str(v.fact("service", "service_name")).rpartition(".")[2]
        answer = v.read("ec2:describe_vpc_endpoint_service_configurations").get("ServiceConfigurations", [])
        return next((one for one in answer if one["ServiceId"] == id_), {"ServiceId": id_})

    def available() -> Outcome:
        found = service()
        state = found.get("ServiceState", "absent")
        evidence = f"{found['ServiceId']} is {state}"
        return done(evidence) if state.lower() == "available" else failed(evidence, v.deploy)

    def allowed() -> Outcome:
        id_ = service()["ServiceId"]
        answer = v.read("ec2:describe_vpc_endpoint_service_permissions", ServiceId=id_).get("AllowedPrincipals", [])
        mine = [one["Principal"] for one in answer if f"::{account}:" in one["Principal"] or one["Principal"] == "*"]
        if mine:
            return done(f"{id_} allows {', '.join(mine)}")
        return failed(f"{id_} allows no principal of account {account}", f"{v.deploy} allows it")

    def connected() -> Outcome:
        id_ = service()["ServiceId"]
        answer = v.read("ec2:describe_vpc_endpoint_connections").get("VpcEndpointConnections", [])
        found = [one for one in answer if (one.get("ServiceId"), one.get("VpcEndpointOwner")) == (id_, account)]
        states = {one["VpcEndpointId"]: str(one.get("VpcEndpointState")) for one in found}
        told = ", ".join(f"{endpoint} is {state}" for endpoint, state in states.items())
        if any(state.lower() == "available" for state in states.values()):
            return done(told)
        pending = [endpoint for endpoint, state in states.items() if state.lower() == "pendingacceptance"]
        if pending:
            ids = f"--service-id {id_} --vpc-endpoint-ids {' '.join(pending)} --region {v.region}"
            return failed(told, f"`aws ec2 accept-vpc-endpoint-connections {ids}`")
        ask = f"ask Astronomer's support to create an interface endpoint to {v.fact('service', 'service_name')}"
        return failed(told or f"{id_} has no endpoint of account {account}", ask, "Astronomer")

    def balancers() -> list[str]:
        return service().get("NetworkLoadBalancerArns", [])

    def listeners() -> list[dict[str, Any]]:
        return [
            one
            for arn in balancers()
            for one in v.read("elbv2:describe_listeners", LoadBalancerArn=arn).get("Listeners", [])
        ]

    def listens() -> Outcome:
        ports = sorted({one["Port"] for one in listeners()})
        there = ", ".join(map(str, ports)) or "none"
        if port in ports:
            return done(f"the load balancer listens on {there}")
        return failed(f"the load balancer listens on {there}, not on {port}", f"connect to {there}, or add a listener")

    def targets() -> Outcome:
        found: dict[str, list[str]] = {}
        for listener in listeners():
            for action in listener.get("DefaultActions", []) if listener["Port"] == port else ():
                arn = action.get("TargetGroupArn")
                answer = v.read("elbv2:describe_target_health", TargetGroupArn=arn) if arn else {}
                for one in answer.get("TargetHealthDescriptions", []):
                    health = one["TargetHealth"]
                    told = f"{one['Target']['Id']}:{one['Target'].get('Port', '')} {health.get('Reason', '')}".strip()
                    found.setdefault(health["State"], []).append(told)
        evidence = "; ".join(f"{state}: {', '.join(which)}" for state, which in found.items())
        if "healthy" in found:
            return done(evidence)
        if "initial" in found:
            return waiting("AWS", evidence, "wait for the first health checks, and check again")
        open_ = "check that the target listens, and that its security group and network ACL allow the load balancer"
        return failed(evidence or f"no target is registered for {port}", open_)

    def groups() -> Outcome:
        answer = v.read("elbv2:describe_load_balancers").get("LoadBalancers", [])
        for one in answer:
            enforced = one.get("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic") != "off"
            ids = one.get("SecurityGroups") or []
            if one["LoadBalancerArn"] not in balancers() or not ids or not enforced:
                continue
            rules = v.read("ec2:describe_security_group_rules").get("SecurityGroupRules", [])
            # The source is the endpoint's address in Astro's VPC, which your account cannot see.
            fitting = [
                rule.get("CidrIpv4") or rule.get("PrefixListId") or "a group"
                for rule in rules
                if rule["GroupId"] in ids
                and not rule["IsEgress"]
                and (rule["IpProtocol"] == "-1" or rule["FromPort"] <= port <= rule["ToPort"])
            ]
            if not fitting:
                fix = f"add a rule for the cluster's ranges and {port}, or disable enforcement on PrivateLink traffic"
                return failed(
                    f"no inbound rule of {', '.join(ids)} allows {port} for PrivateLink traffic",
                    fix,
                )
        return done("the load balancer's security groups allow PrivateLink")

    yield Check("service", "the endpoint service is available", available)
    yield Check("principal", f"the service allows account {account}", allowed, "service")
    yield Check("endpoint", f"{cluster} has an endpoint that is accepted", connected, "service")
    yield Check("listener", f"the load balancer listens on {port}", listens, "service")
    yield Check("balancer-group", "the load balancer's security groups allow the endpoint", groups, "service")
    yield Check("targets", "a target is healthy", targets, "listener")
