"""Reads every account and region for `main.py init`."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from botocore import exceptions

from estate.errors import UserError
from operations.aws import Accounts, caller_account, remedy, session_as
from operations.init.discover import Found, discover

Read = TypeVar("Read")


def own_account(region: str) -> str:
    """Return the account of your credentials. Raises UserError."""
    return _told("your account", lambda: caller_account(session_as("", "init"), region))


def read(accounts: Sequence[str], regions: Sequence[str], role: str | None, vpcs: Collection[str]) -> list[Found]:
    """Return what each account has in each region. Raises UserError."""
    with Accounts(role, "init") as opened:
        return [
            _told(
                f"account {account} in {region}",
                lambda account=account, region=region: discover(opened.of(account, region), vpcs),
            )
            for account in accounts
            for region in regions
        ]


def _told(what: str, look: Callable[[], Read]) -> Read:
    try:
        return look()
    except (exceptions.BotoCoreError, exceptions.ClientError) as error:
        raise UserError(f"{what} cannot be read: {' '.join(str(error).split())}. {remedy(error)}") from error
