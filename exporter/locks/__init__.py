"""Who is let in at the web server: TLS, client certificates and passwords, as a file has it.

The format is that of the exporter toolkit of Prometheus, which all of its exporters share. docs/locks.md has
what differs.
"""
