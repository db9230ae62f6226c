"""The backend of a stack's state."""

from cdktf import CloudBackend, NamedCloudWorkspace, S3Backend, TerraformStack

from estate.model import Estate
from estate.state import CloudState, NoState, S3State


def attach_backend(stack: TerraformStack, name: str, estate: Estate) -> None:
    """Give `stack` the backend of `estate.state`, with a key or workspace for `name`."""
    match estate.state:
        case S3State() as state:
            S3Backend(
                stack,
                bucket=state.bucket,
                key=state.key(estate.name, name),
                region=state.region,
                encrypt=True,
                kms_key_id=state.kms_key,
            )
            # The lock is an object next to the state; cdktf 0.21 has no argument for it (facts B29).
            stack.add_override("terraform.backend.s3.use_lockfile", True)
        case CloudState() as state:
            CloudBackend(
                stack,
                hostname=state.hostname,
                organization=state.organization,
                workspaces=NamedCloudWorkspace(state.workspace(estate.name, name), project=state.project),
            )
        case NoState(partial=None):
            # Without a backend, cdktf adds a local one with an absolute path of this machine.
            stack.add_override("terraform.backend", None)
        case NoState() as state:
            stack.add_override("terraform.backend.local", None)
            stack.add_override(f"terraform.backend.{state.partial}", {})
