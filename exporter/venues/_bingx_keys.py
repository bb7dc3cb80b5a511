"""What a BingX key may do.

The venue documents one call with two answers: numbers of permissions and a list of addresses
(https://bingx-api.github.io/docs/#/en-us/common/sub-account), or flags as Binance's
(https://bingx-api.github.io/docs-v3/#/en/Account%20and%20Wallet/). Either is read, in the usual envelope or
without one.
"""

from __future__ import annotations

from exporter.model import KeyRights
from exporter.request import Endpoint
from exporter.venues.base import any_of
from exporter.wire import MaybeFlag, Wire

KEY_PERMISSIONS = Endpoint("/openApi/v1/account/apiPermissions", weight=1.5, apart=True)
UNREAD_OF_KEY = {"when the key was made": "createTime"}

# 1: spot trading, 2: reading, 3: trading of perpetual contracts, 4: transfers of all kinds, 5: withdrawal,
# 7: transfers between sub-accounts.
_READ, _TRADE, _TRANSFER, _WITHDRAW = {"2"}, {"1", "3"}, {"4", "7"}, {"5"}


class KeyPermissions(Wire):
    permissions: list[int | str] | None = None
    ipAddresses: list[str] | None = None
    enableReading: MaybeFlag = None
    enableSpotAndMarginTrading: MaybeFlag = None
    enableFutures: MaybeFlag = None
    enableVanillaOptions: MaybeFlag = None
    enableInternalTransfer: MaybeFlag = None
    permitsUniversalTransfer: MaybeFlag = None
    enableWithdrawals: MaybeFlag = None
    ipRestrict: MaybeFlag = None

    @property
    def rights(self) -> KeyRights:
        """What the key may do."""
        if self.permissions is not None:
            words = {str(one).strip() for one in self.permissions}
            # What is no number may be any right: then none is known to be missing.
            missing = False if all(word.isdecimal() for word in words if word) else None
            return KeyRights(
                read=bool(words & _READ) or missing,
                trade=bool(words & _TRADE) or missing,
                transfer=bool(words & _TRANSFER) or missing,
                withdraw=bool(words & _WITHDRAW) or missing,
                ip_restricted=self.ip_restricted,
            )
        return KeyRights(
            read=self.enableReading,
            trade=any_of((self.enableSpotAndMarginTrading, self.enableFutures), self.enableVanillaOptions),
            transfer=any_of((self.enableInternalTransfer, self.permitsUniversalTransfer)),
            withdraw=self.enableWithdrawals,
            ip_restricted=self.ip_restricted,
        )

    @property
    def ip_restricted(self) -> bool | None:
        """Whether there is a list of addresses with something in it."""
        return self.ipRestrict if self.ipAddresses is None else any(self.ipAddresses)


class KeyAnswer(KeyPermissions):
    """With the envelope, or without it."""

    data: KeyPermissions | None = None

    @property
    def told(self) -> KeyPermissions:
        """What it says of the key."""
        return self if self.data is None else self.data
