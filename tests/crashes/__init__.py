"""Crashes that everybody remembers, replayed: how long before its liquidation is an account's desk called?

`paths` makes prices of the key points in ``crashes.yml``, `accounts` the accounts that live through them,
`replay` what the exporter says of these and what the rules make of it, `report` the page
``docs/lead-time.md``. ``make lead-time`` runs all of it; the tests run a part.
"""
