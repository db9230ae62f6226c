"""Reads every account and region for `main.py init`."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import TypeVar

from botocore import exceptions

from estate.errors import UserError
from operations.aws import UNEXPECTED, Accounts, caller_account, remedy, session_as, unexpected
from operations.init.discover import Found, discover

Read = TypeVar("Read")
_THREADS = 8


def own_account(region: str) -> str:
    """Return the account of your credentials. Raises UserError."""
    return _told("your account", lambda: caller_account(session_as("", "init"), region))


def read(accounts: Sequence[str], regions: Sequence[str], role: str | None, vpcs: Collection[str]) -> list[Found]:
    """Return the resources of each account in each region. Raises UserError."""
    with Accounts(role, "init") as opened, ThreadPoolExecutor(_THREADS) as threads:

        def look(place: tuple[str, str]) -> Found:
            account, region = place
            return _told(f"account {account} in {region}", lambda: discover(opened.of(account, region), vpcs))

        return list(threads.map(look, product(accounts, regions)))


def _told(what: str, look: Callable[[], Read]) -> Read:
    try:
        return look()
    except UNEXPECTED as error:
        raise UserError(f"{what} cannot be read: {unexpected(error)}. {remedy(error)}") from error
    except (exceptions.BotoCoreError, exceptions.ClientError) as error:
        raise UserError(f"{what} cannot be read: {' '.join(str(error).split())}. {remedy(error)}") from error
