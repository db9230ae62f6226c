"""How AWS is asked."""

from botocore.config import Config

PATIENCE = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3})
"""The defaults would wait for minutes on an endpoint that does not answer."""
