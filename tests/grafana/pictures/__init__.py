"""Pictures of the dashboards with live results of their queries, where no Grafana is at hand.

::

    python -m tests.grafana.pictures --output docs/pictures                 # the demo with a story
    python -m tests.grafana.pictures --prometheus http://… --output FOLDER  # what a Prometheus has

It draws what the panels' JSON says, as Grafana does: queries, transformations, units, thresholds, mappings
and legends. It is no Grafana: of the options it knows those that the dashboards use, and it fails on a kind
of panel that it does not know. uPlot (MIT, in `uplot/`) draws the graphs, Chromium takes the pictures.
"""
