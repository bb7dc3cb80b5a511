"""Only what is needed is required: what else a venue leaves out costs what depends on it, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from exporter.errors import VenueError
from tests.venues.bench import Bench, Call, benches, endpoint_of
from tests.venues.harness import QuietObserver


@pytest.fixture(params=sorted(name for name, bench in benches().items() if bench.needed is not None))
def bench(request: pytest.FixtureRequest) -> Bench:
    """The bench of one venue."""
    return benches()[request.param]


def paths(node: Any, prefix: str = "") -> Iterator[str]:
    """Every field of a decoded document, such as ``assets[].asset``."""
    if isinstance(node, dict):
        for key, value in node.items():
            path = f"{prefix}.{key}" if prefix else key
            yield path
            yield from paths(value, path)
    elif isinstance(node, list):
        for value in node:
            yield from paths(value, f"{prefix}[]")


def left_out(node: Any, field: str, value: Any, prefix: str = "") -> Any:
    """A copy of a document whose field is null everywhere, or (`value` is `...`) is not there."""
    if isinstance(node, list):
        return [left_out(item, field, value, f"{prefix}[]") for item in node]
    if not isinstance(node, dict):
        return node
    found = {}
    for key, item in node.items():
        path = f"{prefix}.{key}" if prefix else key
        if path != field:
            found[key] = left_out(item, field, value, path)
        elif value is not ...:
            found[key] = value
    return found


async def outcome(bench: Bench, scenario: str, changed: dict[Call, Any]) -> VenueError | None:
    """What fails in one collection: itself, or a request that it can do without."""
    observer = QuietObserver()
    try:
        await bench.snapshot(scenario, changed, observer)
    except VenueError as error:
        return error
    return observer.optional_failures[0] if observer.optional_failures else None


@pytest.mark.parametrize("value", [..., None], ids=["missing", "null"])
async def test_a_field_that_is_not_needed_costs_neither_the_account_nor_a_whole_answer(
    bench: Bench, value: object
) -> None:
    """And what is needed says so where it is missed: it is not in that list for nothing."""
    assert bench.needed is not None
    missed: set[tuple[str, str]] = set()
    for name in bench.scenarios:
        documents = bench.documents(name)
        if await outcome(bench, name, {}) is not None:
            continue
        for call, document in documents.items():
            endpoint = endpoint_of(call)
            for field in sorted(set(paths(document))):
                error = await outcome(bench, name, {call: left_out(document, field, value)})
                if error is None:
                    continue
                place = f"{name}, {endpoint.label}: {field}"
                assert field in bench.needed.get(endpoint, ()), f"{place} costs {error.message}"
                assert error.reason == "schema", place
                if value is ...:
                    assert field.rpartition(".")[2].removesuffix("[]") in error.message, place
                missed.add((endpoint.label, field))
    needed = {(endpoint.label, field) for endpoint, fields in bench.needed.items() for field in fields}
    # A list that is null has nothing in it; one that is not there is not an answer.
    assert missed <= needed if value is None else missed == needed
