"""What an account costs is counted, not guessed."""

from __future__ import annotations

import pytest

from tests import series
from tests.series import Cost

PAGE = """\
# scenario: one
risk_positions{exchange="x",account="a"} 1
risk_account_equity{exchange="x",account="a",currency="USDT"} 1
risk_account_liquidation_shock_ratio{exchange="x",account="a",currency="USDT",direction="down"} 1
risk_asset_equity{exchange="x",account="a",asset="USDT"} 1
risk_position_mark_price{exchange="x",account="a",symbol="A",side="long",margin_mode="cross"} 1
risk_position_mark_price{exchange="x",account="a",symbol="B",side="long",margin_mode="isolated"} 1
# scenario: another one, of which more is known
risk_account_liquidation_shock_ratio{exchange="x",account="b",currency="USDT",direction="up"} 1
risk_position_margin{exchange="x",account="b",symbol="A",side="long",margin_mode="isolated"} 1
risk_position_liquidation_cross_check_ratio{exchange="x",account="b",symbol="A",side="long"} 0
"""


def test_all_that_anything_of_a_kind_has_is_counted_once_and_options_are_not() -> None:
    assert series.counted(PAGE) == Cost(account=1, pool=3, coin=1, position=2)


def test_the_page_has_its_part_between_the_marks_and_nothing_else_changes() -> None:
    begin, end = series.MARKS
    written = series.page(f"above\n{begin}old\n{end}below\n")
    assert written.startswith(f"above\n{begin}")
    assert written.endswith(f"{end}below\n")
    assert "old" not in written
    assert "| `binance_usdm` |" in written
    assert series.page(written) == written
    with pytest.raises(ValueError, match="lacks the lines"):
        series.page("without marks\n")
