"""What is told at the start of who may see what."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from exporter import app
from exporter.addresses import Address
from exporter.locks.door import WebConfig
from exporter.locks.tls import Tls

HERE, EVERYWHERE = Address("127.0.0.1", 1), Address("0.0.0.0", 1)  # noqa: S104 (as text)
USERS = {"alice": "a hash"}
TLS = Tls(certificate="", key="")
VERIFIED = Tls(certificate="", key="", client_auth="required")
NOBODY_IS_ASKED, IN_THE_CLEAR = "whoever reaches the port", "passwords cross the network"


@pytest.mark.parametrize(
    ("bound", "config", "said"),
    [
        ([HERE, Address("::1", 1)], WebConfig(), []),
        ([HERE], WebConfig(users=USERS), []),
        ([HERE, EVERYWHERE], WebConfig(), [NOBODY_IS_ASKED]),
        ([Address("::", 1)], WebConfig(tls=TLS), [NOBODY_IS_ASKED]),
        ([Address("10.0.0.1", 1)], WebConfig(users=USERS), [IN_THE_CLEAR]),
        ([EVERYWHERE], WebConfig(tls=VERIFIED), []),
        ([EVERYWHERE], WebConfig(tls=TLS, users=USERS), []),
        ([HERE], WebConfig(warnings=("web.yml:1: is doubtful",)), ["web configuration"]),
    ],
)
def test_more_than_this_machine_without_a_lock_is_told_once(
    bound: list[Address], config: WebConfig, said: list[str]
) -> None:
    with capture_logs() as lines:
        app._doubts(config, bound)
    assert len(lines) == len(said)
    assert all(line["event"].startswith(start) for line, start in zip(lines, said, strict=True))
    assert all(line["log_level"] == "warning" for line in lines)
