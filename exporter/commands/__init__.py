"""The commands that do not run the exporter, one module each; `exporter.cli` puts them together."""
