"""The liquidation engine: what an account's figures mean for the person who must act on them.

Pure functions over `exporter.model`; nothing here reads a clock, a file or a network. Amounts are in the
settle currency of a position or in the currency of a pool unless a name says ``_usd``.

Model. A pool is liquidated when its margin equity no longer exceeds what its cross positions require
(maintenance margin, and closing fees where the venue counts them); an isolated position is a pool of its own,
unless it draws on the cross wallet. With every price a function of one number, margin equity and requirement
are too, and the engine looks for the first place where they meet:

* `exporter.risk.notional`: mark price, notional and unrealized PnL of one position
* `exporter.risk.prices`: what coins are worth, and which of them move with the market
* `exporter.risk.maintenance`: maintenance margin schedules
* `exporter.risk.facts`: what is known of each position, completed by its schedule and its pool
* `exporter.risk.pools`: which positions stand or fall together, and what backs them
* `exporter.risk.exposure`: what of a pool moves
* `exporter.risk.crossing`: the exact search for the first crossing
* `exporter.risk.black76`: what options are worth, and how that changes
* `exporter.risk.options`: positions in options at other prices, and what they require
* `exporter.risk.curves`: the search for the first crossing where there are options
* `exporter.risk.liquidation`: the price of one symbol that liquidates, and the distance to it
* `exporter.risk.shock`: the move of all coins that liquidates, and the rate under given shocks
* `exporter.risk.worth`: what a pool with options would be worth under given shocks
* `exporter.risk.sums`: notionals and greeks added up
* `exporter.risk.target`: the money, or the cut, that brings a rate back to a target
* `exporter.risk.assess`: all of it for one account
* `exporter.risk.revalue`, `exporter.risk.moved`: a snapshot at newer marks
"""

from exporter.risk.assess import assess, computed_liquidation_prices
from exporter.risk.revalue import Revaluation

__all__ = ["Revaluation", "assess", "computed_liquidation_prices"]
