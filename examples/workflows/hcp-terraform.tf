# An HCP Terraform workspace for each stack, which runs on merged commits. In astro.yaml, set
# `state: {backend: cloud, organization: acme}`: its workspaces have these names.
#
# Make the job `fresh` of github.yml or gitlab-ci.yml a required check. Pull requests are not planned, because a plan runs
# every file that Terraform loads.
terraform {
  required_providers {
    tfe = {
      source  = "hashicorp/tfe"
      version = "~> 0.64"
    }
  }
}

variable "github_app_installation_id" {
  type        = string
  description = "The ID of the HCP Terraform GitHub App installation that can read the repository."
}

variable "role_arn" {
  type        = string
  description = "The role that runs assume with dynamic provider credentials."
}

locals {
  stacks = toset(["network-edge", "network-lake"])
}

resource "tfe_workspace" "stack" {
  for_each          = local.stacks
  name              = "acme-${each.key}"
  organization      = "acme"
  terraform_version = "1.11.4"
  working_directory = "terraform/stacks/${each.key}"
  trigger_patterns  = ["terraform/stacks/${each.key}/*"]
  auto_apply        = false

  speculative_enabled = false

  vcs_repo {
    identifier                 = "acme/astro"
    github_app_installation_id = var.github_app_installation_id
  }
}

resource "tfe_variable" "credentials" {
  for_each     = local.stacks
  workspace_id = tfe_workspace.stack[each.key].id
  category     = "env"
  key          = "TFC_AWS_PROVIDER_AUTH"
  value        = "true"
}

resource "tfe_variable" "role" {
  for_each     = local.stacks
  workspace_id = tfe_workspace.stack[each.key].id
  category     = "env"
  key          = "TFC_AWS_RUN_ROLE_ARN"
  value        = var.role_arn
}
