# The interpreter of requirements/runtime.txt, by the digest of its index for all architectures; `make base` renews
# it. A stand-in with python3 and venv can take its place: CONTRIBUTING.md shows how.
ARG BASE=docker.io/library/python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d

FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/runtime.txt requirements/build.txt /build/requirements/
RUN python3 -m venv /opt/tools \
 && /opt/tools/bin/pip install --require-hashes --requirement /build/requirements/build.txt \
 && python3 -m venv /opt/risk-exporter \
 && /opt/risk-exporter/bin/pip install --require-hashes --requirement /build/requirements/runtime.txt
COPY pyproject.toml hatch_build.py README.md LICENSE risk-exporter.example.yml /build/
COPY exporter /build/exporter
COPY grafana/dashboards /build/grafana/dashboards
COPY grafana/prometheus/rules /build/grafana/prometheus/rules
COPY grafana/runbooks.md /build/grafana/runbooks.md
# The commit, which is not in the build's context: `make image` gives it.
ARG REVISION=
WORKDIR /build
RUN RISK_EXPORTER_REVISION=$REVISION /opt/tools/bin/python -m hatchling build --target wheel --directory dist \
 && /opt/risk-exporter/bin/pip install --no-deps --no-index dist/*.whl \
 && /opt/risk-exporter/bin/pip uninstall --yes pip setuptools \
 && /opt/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
    --output-file /opt/risk-exporter/risk-exporter.cdx.json /opt/risk-exporter/bin/python \
 && /opt/risk-exporter/bin/python -m compileall -q /opt/risk-exporter

FROM ${BASE}
ARG REVISION=
LABEL org.opencontainers.image.title="risk-exporter" \
      org.opencontainers.image.description="Prometheus exporter for the liquidation risk of exchange accounts" \
      org.opencontainers.image.source="https://github.com/risk-exporter/risk-exporter" \
      org.opencontainers.image.revision="${REVISION}" \
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
