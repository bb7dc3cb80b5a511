"""Binance USD-M and COIN-M: the sub-accounts of a master account, and the calls that read their futures.

The master's key reads them at the spot host; read permission is enough. Sources: the pages below
https://developers.binance.com/docs/sub_account : account-management/Query-Sub-account-List and
Get-Sub-accounts-Status-on-Margin-Or-Futures, asset-management/Get-Detail-on-Sub-accounts-Futures-Account-V2
and Get-Futures-Position-Risk-of-Sub-account-V2.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from itertools import count
from typing import TypeVar

from msgspec import UNSET, UnsetType, field

from exporter.account import Member, SubAccounts
from exporter.answers import A_DAY
from exporter.api import Api
from exporter.request import Endpoint, Params
from exporter.tasks import together
from exporter.venues._binance import LAST_CHANGE, OF_FEES, OF_PARTS, AccountAsset, BinanceConfig
from exporter.venues._binance_keys import SPOT_HOST
from exporter.wire import MaybeFlag, Number, Rows, Wire, listed

# A limit of that host says nothing about the others.
LIST = Endpoint("/sapi/v1/sub-account/list", weight=1, host=SPOT_HOST, apart=True)
STATUS = Endpoint("/sapi/v1/sub-account/status", weight=10, host=SPOT_HOST, apart=True)
ACCOUNT = Endpoint("/sapi/v2/sub-account/futures/account", weight=1, host=SPOT_HOST, apart=True)
POSITIONS = Endpoint("/sapi/v2/sub-account/futures/positionRisk", weight=1, host=SPOT_HOST, apart=True)
MEMBER_CALLS = (ACCOUNT, POSITIONS)
ENDPOINTS = (LIST, STATUS, *MEMBER_CALLS)

_MOST_IN_A_PAGE = 200
_STATUS_MAX_AGE = 900.0

NOTE = (
    "With `sub_accounts: true` the key of a master account shows its classic sub-accounts, too, each named "
    "by the part of its e-mail address in front of the @; one in Portfolio Margin mode may look empty "
    "here, and needs an entry of its own."
)
"""For the documentation."""

_ITS_OWN = "names it, and when it was made"
UNREAD: Mapping[Endpoint, Mapping[str, str]] = {
    LIST: {_ITS_OWN: "subUserId createTime"},
    STATUS: {_ITS_OWN: "insertTime", "a telephone number": "mobile"},
    ACCOUNT: {
        OF_PARTS: "positionInitialMargin",
        LAST_CHANGE: "updateTime",
        OF_FEES: "feeTier",
    },
}

T = TypeVar("T")
AccountT = TypeVar("AccountT")
PositionsT = TypeVar("PositionsT")


class FuturesConfig(BinanceConfig, SubAccounts):
    """A Binance futures account, which may be a master with sub-accounts below it."""


class MemberRow(Wire):
    email: str


class MemberPage(Wire):
    subAccounts: Rows[MemberRow]


class StatusRow(Wire):
    email: str
    isFutureEnabled: MaybeFlag = None


class MemberAsset(AccountAsset):
    """As the account's own call has it, under another name, and without what is cross."""

    maintMargin: Number = field(name="maintenanceMargin", default=None)


def check_one(**given: object) -> None:
    """Refuses an answer that has its rows in neither of two spellings: that is no account without positions.

    Raises:
        ValueError: if all are missing.
    """
    if all(rows is UNSET for rows in given.values()):
        raise ValueError(f"`{next(iter(given))}` is missing")


def rows_of(*given: Rows[T] | UnsetType) -> list[T]:
    """The rows of an answer, in whichever spelling they are."""
    return [row for rows in given if rows is not UNSET for row in listed(rows)]


def told_of(
    api: Api, email: str, kind: int, account: type[AccountT], positions: type[PositionsT]
) -> Awaitable[tuple[AccountT, PositionsT]]:
    """What is told of one sub-account's USD-M (`kind` 1) or COIN-M (2) futures."""
    asking = (("email", email), ("futuresType", str(kind)))
    return together(api.get(ACCOUNT, account, asking), api.get(POSITIONS, positions, asking))


async def listed_members(api: Api) -> Sequence[Member]:
    """The sub-accounts, without those of which the venue says that they have no futures account.

    Each is called by the part of its e-mail address in front of the @.
    """
    found: dict[str, None] = {}
    pages = count(2)

    def following(page: MemberPage) -> Params | None:
        """The next page, until one has nothing new: how long a page is, is the venue's to say."""
        new = [row.email for row in listed(page.subAccounts) if row.email not in found]
        found.update(dict.fromkeys(new))
        return (("page", str(next(pages))),) if new else None

    await api.get_pages(LIST, MemberPage, (("limit", str(_MOST_IN_A_PAGE)),), following)
    without = await api.optional(
        api.account_cached(_without_futures, _STATUS_MAX_AGE, grace=A_DAY), frozenset[str]()
    )
    return [Member(email.partition("@")[0], email) for email in found if email.lower() not in without]


async def _without_futures(api: Api) -> frozenset[str]:
    rows = await api.get_rows(STATUS, StatusRow)
    return frozenset(row.email.lower() for row in rows if row.isFutureEnabled is False)
