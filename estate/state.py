"""The backend of Terraform's state: the section `state` of an estate."""

from typing import Annotated, Literal

from pydantic import Field

from modules.vocabulary import BucketName, KmsKey, Props, Region, Text

KeyPrefix = Annotated[
    str, Text("a key prefix", r"[\w.-]+(?:/[\w.-]+)*", "parts of letters, digits and _.-, joined by /", "astro/prod")
]


CloudName = Annotated[
    str, Text("an HCP Terraform name", r"[A-Za-z0-9_-]{3,40}", "3 to 40 letters, digits, _ and -", "acme")
]


ProjectName = Annotated[
    str,
    Text(
        "an HCP Terraform project",
        r"[A-Za-z0-9_-][A-Za-z0-9 _-]{1,38}[A-Za-z0-9_-]",
        "3 to 40 letters, digits, spaces, _ and -, not beginning or ending with a space",
        "Default Project",
    ),
]


# HCP Terraform allows 90 characters, and a stack's name has up to 39.
WorkspacePrefix = Annotated[
    str,
    Text("a workspace prefix", r"[A-Za-z0-9_-]{1,50}", "1 to 50 letters, digits, _ and -", "astro-"),
]


HostName = Annotated[
    str,
    Text(
        "a host name",
        r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}",
        "parts of lowercase letters, digits and -, joined by dots, without https://",
        "terraform.acme.example",
    ),
]


class S3State(Props):
    """State in an S3 bucket, with one key for each stack and a lock file. `main.py state create` creates the bucket."""

    backend: Literal["s3"]
    bucket: BucketName
    region: Region
    kms_key: KmsKey | None = None
    """The key that encrypts the state. Default: the bucket's own encryption."""
    key_prefix: KeyPrefix | None = None
    """The folder of the state files in the bucket. Default: the estate's `name`."""

    def key(self, estate: str, stack: str) -> str:
        """Return the key of a stack's state in an estate."""
        return f"{self.key_prefix or estate}/{stack}.tfstate"


class CloudState(Props):
    """State and runs in HCP Terraform, with one workspace for each stack."""

    backend: Literal["cloud"]
    organization: CloudName
    hostname: HostName | None = None
    """The host of your Terraform Enterprise. Default: HCP Terraform."""
    project: ProjectName | None = None
    """The project of the workspaces. Default: the organization's default project."""
    workspace_prefix: WorkspacePrefix | None = None
    """The prefix of the workspaces' names, before the stack's name. Default: the estate's `name` and a hyphen."""

    def workspace(self, estate: str, stack: str) -> str:
        """Return the name of a stack's workspace in an estate."""
        return f"{self.workspace_prefix or estate + '-'}{stack}"


class NoState(Props):
    """No generated backend. You configure one with `terraform init -backend-config` or an override file."""

    backend: Literal["none"]
    partial: Literal["s3", "gcs", "azurerm", "http", "pg", "consul"] | None = None
    """Write an empty block of this backend for `-backend-config`. Default: no block."""


State = Annotated[S3State | CloudState | NoState, Field(discriminator="backend")]
