"""Which names of this server are answered, and that nothing else is where only this machine may ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.hosts import Hosts

LOOPBACK = (
    "localhost",
    "localhost:10217",
    "LocalHost:1",
    "localhost.",
    "127.0.0.1",
    "127.0.0.1:10217",
    "127.8.9.10",
    "[::1]",
    "[::1]:10217",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]:1",
)
OTHERS = (
    "evil.example",
    "evil.example:10217",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example.localhost:1",
    "127.0.0.1@evil.example",
    "evil.example/localhost",
    "localhost evil.example",
    "localhost:1:2",
    "localhost:port",
    "0.0.0.0",  # noqa: S104 (as text)
    "128.0.0.1",
    "10.0.0.1",
    "[::]",
    "[fe80::1]",
    "::1",
    "[::1",
    "[127.0.0.1]",
    "2130706433",
    "0x7f.1",
    "",
    ".",
    ":10217",
)


@pytest.mark.parametrize("host", LOOPBACK)
@pytest.mark.parametrize("names", [(), ("risk.example.com",)])
@pytest.mark.parametrize("loopback", [True, False])
def test_the_machine_itself_is_always_answered(host: str, names: tuple[str, ...], loopback: bool) -> None:
    assert Hosts(names).answered(host, loopback=loopback)


@pytest.mark.parametrize("host", OTHERS)
def test_at_a_loopback_address_nothing_else_is(host: str) -> None:
    assert not Hosts().answered(host, loopback=True)
    assert not Hosts(["risk.example.com"]).answered(host, loopback=True)


@pytest.mark.parametrize("host", OTHERS)
def test_elsewhere_everything_is_unless_names_are_given(host: str) -> None:
    assert Hosts().answered(host, loopback=False)
    assert not Hosts(["risk.example.com"]).answered(host, loopback=False)


@pytest.mark.parametrize("loopback", [True, False])
@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("risk.example.com", "risk.example.com"),
        ("risk.example.com", "RISK.example.com:443"),
        ("Risk.Example.Com.", "risk.example.com"),
        ("exporter_1", "exporter_1:10217"),
        ("10.0.0.5", "10.0.0.5:10217"),
        ("fd00::5", "[fd00:0::5]:10217"),
        ("[fd00::5]", "[fd00::5]"),
    ],
)
def test_a_name_that_is_given_is_answered_with_any_port(name: str, host: str, loopback: bool) -> None:
    assert Hosts([name]).answered(host, loopback=loopback)
    assert not Hosts([name]).answered(f"x{host}", loopback=loopback)


@pytest.mark.parametrize(
    "name",
    ["", " ", "risk.example.com:443", "http://risk", "a b", "*", "[::1]:1", "::g", "[x", "a/b", "10.0.0.5:1"],
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"is not the name of a host: expected .* without a port"):
        Hosts([name])


@given(st.text(max_size=60) | st.text(st.sampled_from("localhost127.0:[]1 @/evil"), max_size=40))
def test_a_host_that_is_answered_is_one_of_the_known_spellings(host: str) -> None:
    if Hosts().answered(host, loopback=True):
        assert host.lower().startswith(("localhost", "127.", "["))
        assert not set(host) & set(" @/")
