# The interpreter of requirements/runtime.txt. A stand-in with python3 and venv can take its place:
# CONTRIBUTING.md shows how.
ARG BASE=docker.io/library/python:3.11.14-slim-bookworm

FROM ${BASE} AS build
RUN python3 -m venv /opt/risk-exporter
COPY requirements/runtime.txt /build/requirements.txt
RUN /opt/risk-exporter/bin/pip install --no-cache-dir --disable-pip-version-check --requirement /build/requirements.txt
COPY pyproject.toml README.md LICENSE /build/
COPY exporter /build/exporter
COPY grafana/dashboards /build/grafana/dashboards
COPY grafana/prometheus/rules /build/grafana/prometheus/rules
COPY grafana/runbooks.md /build/grafana/runbooks.md
RUN /opt/risk-exporter/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps /build \
 && /opt/risk-exporter/bin/pip uninstall --yes --disable-pip-version-check pip setuptools \
 && /opt/risk-exporter/bin/python -m compileall -q /opt/risk-exporter

FROM ${BASE}
LABEL org.opencontainers.image.title="risk-exporter" \
      org.opencontainers.image.description="Prometheus exporter for the liquidation risk of exchange accounts" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/risk-exporter /opt/risk-exporter
# Inside a container 0.0.0.0 is the container's own network; what is published to the world is decided
# where its ports are mapped.
ENV PATH=/opt/risk-exporter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RISK_EXPORTER_CONFIG_FILE=/etc/risk-exporter/risk-exporter.yml \
    RISK_EXPORTER_WEB_LISTEN_ADDRESS=0.0.0.0:10217
USER 65534:65534
EXPOSE 10217
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["risk-exporter", "healthy"]
ENTRYPOINT ["risk-exporter"]
CMD ["run"]
