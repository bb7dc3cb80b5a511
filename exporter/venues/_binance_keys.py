"""Binance, every adapter: what a key may do, by one call of the spot host.

Source: https://developers.binance.com/docs/wallet/account/api-key-permission . Limits of the host:
https://developers.binance.com/docs/wallet/general-info (each call below /sapi has a limit of its own).
"""

from __future__ import annotations

from exporter.limits import Limit, RequestBudget
from exporter.model import KeyRights
from exporter.request import Endpoint
from exporter.venues.base import any_of
from exporter.wire import MaybeFlag, Wire

SPOT_HOST = "https://api.binance.com"

KEY_RESTRICTIONS = Endpoint("/sapi/v1/account/apiRestrictions", weight=1, host=SPOT_HOST, apart=True)
SAPI_BUDGET = RequestBudget("binance_sapi", (Limit(12_000.0, 60.0),), each_endpoint=True, paths=("/sapi/",))
UNREAD_OF_KEY = {
    "when the key was made": "createTime",
    "when its right to trade ends; a key that reads does not": "tradingAuthorityExpirationTime",
}


class KeyRestrictions(Wire):
    """Older answers lack some of the fields."""

    enableReading: MaybeFlag = None
    enableSpotAndMarginTrading: MaybeFlag = None
    enableFutures: MaybeFlag = None
    enableMargin: MaybeFlag = None
    enableVanillaOptions: MaybeFlag = None
    enablePortfolioMarginTrading: MaybeFlag = None
    enableFixApiTrade: MaybeFlag = None
    enableInternalTransfer: MaybeFlag = None
    permitsUniversalTransfer: MaybeFlag = None
    enableWithdrawals: MaybeFlag = None
    ipRestrict: MaybeFlag = None

    @property
    def rights(self) -> KeyRights:
        """What the key may do."""
        return KeyRights(
            read=self.enableReading,
            trade=any_of(
                (self.enableSpotAndMarginTrading, self.enableFutures),
                self.enableMargin,
                self.enableVanillaOptions,
                self.enablePortfolioMarginTrading,
                self.enableFixApiTrade,
            ),
            transfer=any_of((self.enableInternalTransfer, self.permitsUniversalTransfer)),
            withdraw=self.enableWithdrawals,
            ip_restricted=self.ipRestrict,
        )
