from cdktf import Fn
from cdktf_cdktf_provider_aws.data_aws_servicequotas_service_quota import DataAwsServicequotasServiceQuota
from cdktf_cdktf_provider_aws.servicequotas_service_quota import ServicequotasServiceQuota
from constructs import Construct

from modules.service_quotas.props import ServiceQuotasProps


class ServiceQuotas(Construct):
    """Requests the quotas of one region, whose nodes may need `vcpus`. Destroying it changes no quota."""

    def __init__(self, scope: Construct, id_: str, props: ServiceQuotasProps, *, vcpus: int) -> None:
        super().__init__(scope, id_)
        self.handoff: dict[str, object] = {}
        for name, wanted in props.wanted(vcpus).items():
            current = DataAwsServicequotasServiceQuota(
                self, f"{name}-now", service_code=wanted.service, quota_code=wanted.code
            )
            quota = ServicequotasServiceQuota(
                self,
                name,
                service_code=wanted.service,
                quota_code=wanted.code,
                # AWS refuses a request below the current value (facts B12).
                value=Fn.max([wanted.value, current.value]),
            )
            self.handoff[name] = {
                "quota": f"{wanted.service} {wanted.code}",
                "asked": wanted.value,
                "request_id": quota.request_id,
                "request_status": quota.request_status,
            }
