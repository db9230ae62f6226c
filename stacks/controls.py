"""The controls of an estate for every resource of a type, wherever it is created."""

from cdktf import Postcondition, TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.data_aws_kms_alias import DataAwsKmsAlias
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.vpc_endpoint import VpcEndpoint
from constructs import Construct

from estate.controls import Controls
from modules.astronomer import ROLE
from modules.parts.iam_policy.construct import document, statement
from modules.private_link.props import VENDORS
from modules.vocabulary import partition
from modules.vpc.props import FLOW_LOGS_PATH

_RESET = (
    "${self.id} still has a policy that the file no longer has, and Terraform cannot remove it. Reset it with `aws ec2 "
    "modify-vpc-endpoint --vpc-endpoint-id ${self.id} --reset-policy`, and deploy again."
)


def apply_controls(stack: Construct, controls: Controls, account_id: str, region: str) -> None:
    """Apply the section `controls` to the resources of a stack that do not set the same arguments."""
    nodes = list(stack.node.find_all())
    boundary = controls.boundary(partition(region), account_id)
    for role in (node for node in nodes if isinstance(node, IamRole)):
        if boundary and role.permissions_boundary_input is None:
            role.permissions_boundary = boundary
        # Astronomer, and the policies that restrict it, refer to its role without a path.
        if controls.role_path and role.path_input in (None, FLOW_LOGS_PATH) and role.name_input != ROLE:
            role.path = controls.role_path
    groups = [node for node in nodes if isinstance(node, CloudwatchLogGroup) and node.kms_key_id_input is None]
    if controls.kms_key and groups:
        # CloudWatch Logs accepts the ARN of a key, but no alias.
        key = DataAwsKmsAlias(stack, "log_key", name=controls.kms_key)
        for group in groups:
            group.kms_key_id = key.target_key_arn
    endpoints = [node for node in nodes if isinstance(node, VpcEndpoint) and node.policy_input is None]
    # AWS accepts no policy for an endpoint to a vendor's service.
    endpoints = [node for node in endpoints if not VENDORS.fullmatch(node.service_name_input or "")]
    if conditions := controls.endpoint_conditions() if endpoints else []:
        allowed = statement(["*"], ["*"], *conditions, principals=("AWS", ["*"]))
        policy = document(stack, "endpoint_policy", allowed)
        for endpoint in endpoints:
            endpoint.policy = policy


def refuse_old_policies(stack: Construct) -> None:
    """Reject an endpoint whose policy was removed from the file, because the provider would keep the policy."""
    for node in stack.node.find_all():
        if isinstance(node, VpcEndpoint) and node.policy_input is None:
            # AWS's own policy has no conditions. The policies of this program have them.
            condition = '${!can(regex("aws:(Principal|Resource)Account", self.policy))}'
            allows_all = Postcondition(condition=condition, error_message=_RESET)
            before = node.lifecycle and node.lifecycle.precondition
            node.lifecycle = TerraformResourceLifecycle(precondition=before, postcondition=[allows_all])
