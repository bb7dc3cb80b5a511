"""Where the calls of one account go, and the limits that are closed for them there."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any
from urllib.parse import urlsplit

from exporter.budget import Budget, Budgets
from exporter.request import Endpoint
from exporter.roles import Adapter


class Reach:
    """The hosts of a venue as one account reaches them.

    Args:
        venue: The account at its venue.
        budget: The request limit that all share who name the same key.
    """

    def __init__(self, venue: Adapter[Any], budget: Callable[[Hashable], Budget]) -> None:
        config = venue.config
        base_url = config.base_url or venue.base_url
        if base_url is None:
            raise ValueError(f"account {config.name!r}: `base_url` is required for {venue.name}")
        self.base_url = base_url.rstrip("/")
        self.proxy = config.proxy.get_secret_value() if config.proxy is not None else None
        self._own = self.base_url == venue.base_url
        place = "production" if self._own else urlsplit(base_url).hostname
        address = (venue.budgets[0].name if venue.budgets else venue.name, place, self.proxy)
        self._limits = Budgets(budget(address))
        self._apart: Mapping[Endpoint, Budgets] = {
            endpoint: Budgets(budget((*address, endpoint.label)), beside=self._limits)
            for endpoint in venue.endpoints
            if endpoint.apart
        }

    def base(self, endpoint: Endpoint) -> str:
        """What stands in front of the endpoint's path."""
        return endpoint.host if endpoint.host and self._own else self.base_url

    def limits(self, endpoint: Endpoint) -> Budgets:
        """What is closed for this call while the venue wants to be left alone."""
        return self._apart.get(endpoint, self._limits)
