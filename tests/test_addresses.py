"""Addresses to listen on, as they are written in a flag."""

from __future__ import annotations

import pytest

from exporter.addresses import Address, ListenError, listen_addresses


@pytest.mark.parametrize(
    ("text", "expected", "shown"),
    [
        ("127.0.0.1:10217", Address("127.0.0.1", 10217), "127.0.0.1:10217"),
        ("[::1]:10217", Address("::1", 10217), "[::1]:10217"),
        ("[fe80::1%eth0]:1", Address("fe80::1%eth0", 1), "[fe80::1%eth0]:1"),
        (":10217", Address(None, 10217), ":10217"),
        ("localhost:0", Address("localhost", 0), "localhost:0"),
        (" 0.0.0.0:65535 ", Address("0.0.0.0", 65535), "0.0.0.0:65535"),  # noqa: S104 (as text)
    ],
)
def test_addresses_are_written_as_in_other_exporters(text: str, expected: Address, shown: str) -> None:
    (found,) = listen_addresses([text])
    assert found == expected
    assert str(found) == shown


@pytest.mark.parametrize(
    "text",
    ["", "10217", "127.0.0.1", "::1:10217", "[::1]", "host:", "host:65536", "host:-1", "http://host:1"],
)
def test_an_address_that_is_none_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ListenError, match=r"expected host:port, \[ipv6\]:port or :port"):
        listen_addresses([text])


def test_addresses_can_be_several_but_not_none_and_not_the_same_twice() -> None:
    assert listen_addresses(["127.0.0.1:1", "[::1]:1"]) == (Address("127.0.0.1", 1), Address("::1", 1))
    with pytest.raises(ListenError, match="given twice"):
        listen_addresses(["127.0.0.1:1", "127.0.0.1:1"])
    with pytest.raises(ListenError, match="no address"):
        listen_addresses([])
