"""Two constructs of this project in your own CDKTF stacks, without an estate file."""

from pathlib import Path

from astro_on_aws import (
    Cluster,
    ConnectionContext,
    CrossAccountRole,
    CrossAccountRoleProps,
    Network,
    VpcPeering,
    VpcPeeringProps,
)
from cdktf import App, TerraformOutput, TerraformStack, TerraformVariable
from cdktf_cdktf_provider_aws.provider import AwsProvider

POLICY = Path(__file__).resolve().parents[1] / "policies" / "astronomer.json"

app = App()

data = TerraformStack(app, "data-platform")
AwsProvider(data, "aws", region="us-east-1")
lake = Network(
    account_id="111111111111",
    region="us-east-1",
    vpc_id="vpc-0123456789abcdef0",
    cidrs=("10.20.0.0/16",),
    route_tables={"private-a": "rtb-0aaaaaaaaaaaaaaaa"},
)
prod = Cluster(product="hosted-dedicated", region="us-east-1", account_id="333333333333")
props = VpcPeeringProps(type="vpc_peering", network="lake", cluster="prod", peering_id="pcx-0123456789abcdef0")
peering = VpcPeering(data, "lake-peering", props, ConnectionContext("acme-lake-peering", lake, {"prod": prod.side()}))
TerraformOutput(data, "handoff", value=peering.handoff)

hybrid = TerraformStack(app, "astro-account")
AwsProvider(hybrid, "aws", region="us-east-1")
# `props.secrets()` lists the values that must be sensitive variables.
external_ids = TerraformVariable(hybrid, "external_ids", type="list(string)", sensitive=True)
CrossAccountRole(
    hybrid,
    "astronomer",
    CrossAccountRoleProps.model_validate({"policy_file": str(POLICY)}),
    account_id="222222222222",
    region="us-east-1",
    secrets={"external_ids": external_ids.list_value},
)

app.synth()
