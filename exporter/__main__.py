"""``python -m exporter`` is ``risk-exporter``."""

from exporter.cli import main

if __name__ == "__main__":
    main()
