"""risk-exporter: liquidation risk of exchange accounts as Prometheus metrics."""

__version__ = "0.1.0"
