from __future__ import annotations

from moto.cloudtrail.models import CloudTrailBackend

from .tools import patch


@patch(CloudTrailBackend)
def delete_trail(self: CloudTrailBackend, name: str) -> None:
    """Delete a trail by its ARN, as the AWS provider does; moto keeps the trail without an error."""
    del self.trails[self.get_trail(name).trail_name]
