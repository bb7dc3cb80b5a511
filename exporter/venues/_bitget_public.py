"""What is asked of Bitget beside an account's own figures, and how long it is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from msgspec import field

from exporter.answers import A_DAY, RARELY
from exporter.api import Api
from exporter.request import Endpoint
from exporter.tasks import Ready, together
from exporter.venues._bitget import (
    CLASSIC_DISCOUNTS,
    CLASSIC_PLACES,
    CLASSIC_TIERS,
    COIN_PRODUCT,
    COLLATERAL,
    DISCOUNTS,
    FUNDING,
    INDEX,
    PLACES,
    TIERS,
    Choice,
    ClassicTierRow,
    FundingRow,
    MarkRow,
    TierRow,
)
from exporter.venues._bitget_account import Haircuts
from exporter.venues._bitget_contract import ClassicDiscountRow, DiscountRow, Tiers, tiers_of
from exporter.venues.base import Answer, funding_by_symbol
from exporter.wire import Number, Rows, Wire, listed

T = TypeVar("T")

_INDEX_MAX_AGE = 5.0
# A place may be asked for once a second; in a minute it hardly changes.
_PLACES_MAX_AGE = 60.0


async def rows_of(api: Api, endpoint: Endpoint, type_: type[T], /, **params: str) -> list[T]:
    form: Any = Answer[Rows[type_]]  # type: ignore[valid-type]  # a type made at run time
    answer: Answer[Rows[T]] = await api.get(endpoint, form, tuple(params.items()))
    return listed(answer.data)


async def tiers_by_name(api: Api, name: str) -> Tiers:
    kind, product, symbol = name.split(" ", maxsplit=2)
    asked = {"productType" if kind == "classic" else "category": product, "symbol": symbol}
    if kind == "classic":
        return tiers_of(await rows_of(api, CLASSIC_TIERS, ClassicTierRow, **asked))
    return tiers_of(await rows_of(api, TIERS, TierRow, **asked))


def haircuts_of(api: Api, *, classic: bool, wanted: bool) -> Awaitable[Haircuts]:
    ask = _classic_discounts if classic else _discounts
    return api.optional(api.venue_cached(ask, RARELY, grace=A_DAY), {}) if wanted else Ready({})


async def _discounts(api: Api) -> Haircuts:
    return {row.coin: row for row in await rows_of(api, DISCOUNTS, DiscountRow)}


async def _classic_discounts(api: Api) -> Haircuts:
    return {row.coin: row for row in await rows_of(api, CLASSIC_DISCOUNTS, ClassicDiscountRow)}


async def choice_of(api: Api) -> Choice:
    return (await api.get(COLLATERAL, Answer[Choice])).data


async def index_price(api: Api, symbol: str) -> float | None:
    """The price of a coin in the quote of a contract."""
    asked = {"productType": "USDT-FUTURES" if symbol.endswith("USDT") else COIN_PRODUCT, "symbol": symbol}
    rows = await api.venue_cached(
        lambda api: rows_of(api, INDEX, MarkRow, **asked), _INDEX_MAX_AGE, name=f"index {symbol}"
    )
    return rows[0].indexPrice if rows else None


async def tether_price(api: Api) -> float | None:
    """USD a USDT: the venue values coins in USDT, and has bitcoin in both."""
    usd, usdt = await together(index_price(api, "BTCUSD"), index_price(api, "BTCUSDT"))
    return None if usd is None or usdt is None else usd / usdt


async def funding(api: Api, symbols: Mapping[str, Iterable[str]]) -> Mapping[tuple[str, str], FundingRow]:
    """Of the symbols of positions by product, by product and symbol; one answer has all of a product."""
    asked = [
        api.optional(
            funding_by_symbol(
                api,
                partial(_funding, product=product),
                held,
                lambda row: row.nextUpdate,
                name=f"funding {product}",
            ),
            {},
        )
        for product, held in symbols.items()
    ]
    answers = await together(*asked)
    return {
        (product, symbol): row
        for product, rows in zip(symbols, answers, strict=True)
        for symbol, row in rows.items()
    }


async def _funding(api: Api, *, product: str) -> Mapping[str, FundingRow]:
    """A contract that ends pays none; a rate that nobody says when is paid is none."""
    rows = await rows_of(api, FUNDING, FundingRow, productType=product)
    return {row.symbol: row for row in rows if row.nextUpdate is not None}


class PlaceRow(Wire):
    """Where a position of a unified account stands in the queue of auto-deleveraging: near 1 is first."""

    symbol: str
    side_word: str = field(name="holdSide", default="")
    place: Number = field(name="adlRank", default=None)

    @property
    def side(self) -> str:
        return self.side_word.lower()


class ClassicPlaceRow(PlaceRow):
    """The same of a classic account, by a name of its own; its `adlRank` was near 0 at the front once."""

    place: Number = field(name="rank", default=None)


Places = Mapping[tuple[str, str], float]
"""Of positions by symbol and side, from 0 (last) to 1 (first to be reduced)."""


async def places(api: Api, products: Iterable[str], *, classic: bool) -> Places:
    """Where the positions of an account stand in the queue of auto-deleveraging."""
    asks: dict[str, Callable[[Api], Awaitable[Places]]]
    asks = {f"places {one}": partial(_classic_places, product=one) for one in products}
    if asks and not classic:
        asks = {"places": _places}
    found: dict[tuple[str, str], float] = {}
    answers = await together(
        *(api.optional(api.account_cached(ask, _PLACES_MAX_AGE, name=name), {}) for name, ask in asks.items())
    )
    for answer in answers:
        found |= answer
    return found


async def _places(api: Api) -> Places:
    return _by_side(await rows_of(api, PLACES, PlaceRow))


async def _classic_places(api: Api, *, product: str) -> Places:
    return _by_side(await rows_of(api, CLASSIC_PLACES, ClassicPlaceRow, productType=product))


def _by_side(rows: Iterable[PlaceRow]) -> Places:
    return {
        (row.symbol, row.side): row.place for row in rows if row.place is not None and 0.0 <= row.place <= 1.0
    }
