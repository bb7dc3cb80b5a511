"""Binance USD-M and COIN-M: what both adapters ask alike (brackets, sub-accounts, Portfolio Margin mode)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, TypeVar

from exporter.account import Member
from exporter.api import Api
from exporter.errors import VenueError
from exporter.request import Endpoint
from exporter.venues._binance import BUDGET, PORTFOLIO_MARGIN, AccountAsset, BinanceVenue
from exporter.venues._binance_brackets import TABLES, Brackets
from exporter.venues._binance_keys import SAPI_BUDGET
from exporter.venues._binance_members import ENDPOINTS, LIST, MEMBER_CALLS, FuturesConfig, listed_members
from exporter.wire import Number, Wire

# How long it is believed that an account is in that mode, or is not.
_PORTFOLIO_MARGIN_MAX_AGE = 600.0


class PortfolioMargin(Wire):
    """What an account in Portfolio Margin mode may move out."""

    maxWithdrawAmountUSD: Number = None
    maxWithdrawAmount: Number = None


class _Account(Protocol):
    @property
    def assets(self) -> list[AccountAsset]: ...


AccountT = TypeVar("AccountT", bound=_Account)


class BinanceFutures(BinanceVenue[FuturesConfig]):
    """Brackets and budget of both futures APIs, sub-accounts, and what they have no answer for.

    Accounts in Portfolio Margin mode are asked at another host. Their keys are refused here, or the answers
    have nothing in them, since the collateral is elsewhere: that must not be read as an account at rest.
    """

    config_class = FuturesConfig
    budgets = (BUDGET, SAPI_BUDGET)
    listing_endpoint = LIST
    bracket_endpoint: ClassVar[Endpoint]
    account_endpoint: ClassVar[Endpoint]
    portfolio_margin_endpoint: ClassVar[Endpoint]
    home: ClassVar[str]
    """The coin whose pool is shown of an empty account."""

    def __init__(self, config: FuturesConfig) -> None:
        super().__init__(config)
        if not config.sub_accounts and config.handle is None:
            # Each of these calls has a limit of its own, which is published: not where it is not asked.
            asked = tuple(one for one in self.endpoints if one not in ENDPOINTS)
            self.endpoints = asked  # type: ignore[misc]  # of this account alone

    @classmethod
    def calls_of(cls, config: FuturesConfig) -> tuple[Endpoint, ...]:
        return MEMBER_CALLS if config.handle is not None else super().calls_of(config)

    async def sub_accounts(self, api: Api) -> Sequence[Member]:
        return await listed_members(api)

    async def brackets(self, api: Api) -> Mapping[str, Brackets]:
        """The brackets of every symbol, as they are for this user."""
        return await self.table(api, self.bracket_endpoint, TABLES)

    async def account(self, api: Api, type_: type[AccountT]) -> AccountT:
        """The account call's answer.

        Raises:
            VenueError: reason ``unsupported``, if the call is refused or shows no collateral and the venue
                answers what it answers only to an account in Portfolio Margin mode.
        """
        try:
            account = await api.get(self.account_endpoint, type_)
        except VenueError as error:
            if error.reason != "auth" or not await api.optional(
                self._in_portfolio_margin(api), otherwise=False
            ):
                raise
        else:
            backed = any(asset.walletBalance for asset in account.assets)
            if backed or not await self._in_portfolio_margin(api):
                return account
        raise VenueError("unsupported", PORTFOLIO_MARGIN).within(self.place(self.account_endpoint))

    async def _in_portfolio_margin(self, api: Api) -> bool:
        return await api.account_cached(self._ask_for_portfolio_margin, _PORTFOLIO_MARGIN_MAX_AGE)

    async def _ask_for_portfolio_margin(self, api: Api) -> bool:
        """Whether the venue says what may be moved out of the account in Portfolio Margin mode.

        What it answers of another account is not documented: a refusal, or amounts of 0.
        """
        try:
            answer = await api.get(self.portfolio_margin_endpoint, PortfolioMargin, (("asset", self.home),))
        except VenueError as error:
            if error.reason in {"auth", "permission", "unsupported", "exchange", "schema"}:
                return error.reason == "unsupported"
            raise
        return bool(answer.maxWithdrawAmountUSD or answer.maxWithdrawAmount)
