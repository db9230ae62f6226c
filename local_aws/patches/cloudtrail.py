from __future__ import annotations

from moto.cloudtrail.models import CloudTrailBackend

from .tools import patch


@patch(CloudTrailBackend)
def delete_trail(self: CloudTrailBackend, name: str) -> None:
    """Without it, a trail named by its ARN, as the AWS provider does, stays and nothing is said."""
    del self.trails[self.get_trail(name).trail_name]
