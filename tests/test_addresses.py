"""Addresses to listen on, as they are written in a flag, and sockets that systemd hands over."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from exporter.addresses import Address, ListenError, inherited, listen_addresses


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


# As systemd does it: descriptors from 3 on, named by LISTEN_FDS, for the process that LISTEN_PID names.
ACTIVATE = """
import os, sys
from exporter import addresses
os.environ["LISTEN_PID"] = str(os.getpid())
try:
    print(*(f"{one.getsockname()[1]} {os.get_inheritable(one.fileno())}" for one in addresses.inherited()))
    print(*(name for name in os.environ if name.startswith("LISTEN_")))
except addresses.ListenError as error:
    print(error)
"""


def activated(*sockets: socket.socket) -> str:
    """What a process says of the sockets that it gets."""

    def hand_over() -> None:
        # Out of the way first: one of them may be 3 or 4 already.
        moved = [os.dup2(one.fileno(), 60 + number) for number, one in enumerate(sockets)]
        for number, descriptor in enumerate(moved):
            os.dup2(descriptor, 3 + number)

    done = subprocess.run(
        [sys.executable, "-c", ACTIVATE],
        env={**os.environ, "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": "a:b"},
        preexec_fn=hand_over,
        close_fds=False,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_sockets_from_systemd_are_taken_and_not_handed_on() -> None:
    with ExitStack() as stack:
        several = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        ports = [one.getsockname()[1] for one in several]
        assert activated(*several) == f"{ports[0]} False {ports[1]} False\n\n"


def test_what_systemd_hands_over_in_vain_is_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, socket.socket() as silent:
        assert "descriptor 3 from systemd is not a TCP socket that listens" in activated(datagrams)
        assert "descriptor 3 from systemd is not a TCP socket that listens" in activated(silent)
    with open(os.devnull) as file:  # noqa: PTH123 (its descriptor is wanted)
        assert "descriptor 3 from systemd is not a socket" in activated(file)  # type: ignore[arg-type]  # the point


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},  # another process's
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "one"},
    ],
)
def test_without_systemd_there_is_no_socket(environment: dict[str, str]) -> None:
    with pytest.raises(
        ListenError, match=r"no socket from systemd: it starts the program by a \.socket unit"
    ):
        inherited(environment)
    assert environment == {}
