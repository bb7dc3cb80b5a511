"""What accounts in Portfolio Margin Pro are asked by at the stand-in: calls of their own and of the futures.

https://developers.binance.com/docs/derivatives/portfolio-margin-pro (account).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from exporter.demo._binance_weights import BinanceError
from exporter.demo.binance import Endpoint, Parameters, SignedEndpoint, fixed_weight
from exporter.demo.book import Book

Program = Literal["pro", "span"]
Answer = Callable[[Parameters, Book], object]

FUTURES = frozenset(
    {
        "/fapi/v3/positionRisk",
        "/fapi/v1/leverageBracket",
        "/dapi/v1/positionRisk",
        "/dapi/v1/account",
        "/dapi/v2/leverageBracket",
    }
)
"""The calls of the futures that answer such an account as they do any other."""
_TYPES: Mapping[Program, str] = {"pro": "PM_1", "span": "PM_3"}
_SHOWN = ("uniMMR", "accountEquity", "actualEquity", "accountMaintMargin", "accountStatus")


def pro_endpoints(
    programs: Mapping[str, Program],
    futures: Iterable[Endpoint],
    *,
    account: Answer,
    balance: Answer,
    um_account: Answer,
) -> Sequence[Endpoint]:
    """The paths.

    Args:
        programs: Which program an account is in, by its name; the others are in none of these.
        futures: All that the futures answer.
        account: The answer of Portfolio Margin about an account.
        balance: About its coins.
        um_account: About its positions in USD-M.
    """

    def only(answer: Answer, *which: Program) -> Answer:
        def answered(parameters: Parameters, book: Book) -> object:
            if programs.get(book.name) not in which:
                raise BinanceError(400, -21001, "Request ID is not a Portfolio Margin Account.")
            return answer(parameters, book)

        return answered

    def told(program: Program) -> Answer:
        def answered(parameters: Parameters, book: Book) -> object:
            found = account(parameters, book)
            assert isinstance(found, dict)  # noqa: S101 (what a handler here makes)
            parts = {"riskUnitMMList": [], "marginMM": "0", "otherMM": "0"} if program == "span" else {}
            return {**{name: found[name] for name in _SHOWN}, **parts, "accountType": _TYPES[program]}

        return only(answered, program)

    def with_options(parameters: Parameters, book: Book) -> object:
        rows = balance(parameters, book)
        assert isinstance(rows, list)  # noqa: S101 (the same)
        return [{**row, "optionWalletBalance": "0", "optionEquity": "0"} for row in rows]

    return (
        SignedEndpoint("/sapi/v1/portfolio/account", told("pro"), fixed_weight(5)),
        SignedEndpoint("/sapi/v2/portfolio/account", told("span"), fixed_weight(5)),
        SignedEndpoint(
            "/sapi/v1/portfolio/balance",
            only(with_options, "pro", "span"),
            fixed_weight(20),
            frozenset({"asset"}),
        ),
        SignedEndpoint("/fapi/v3/account", only(um_account, "pro", "span"), fixed_weight(5)),
        *(
            SignedEndpoint(one.path, only(one.answer, "pro", "span"), one.weight, one.parameters)
            for one in futures
            if isinstance(one, SignedEndpoint) and one.path in FUTURES
        ),
    )
