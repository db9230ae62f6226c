"""The handoff: deployed facts and remaining steps, for you, for Astronomer and for your network team."""
