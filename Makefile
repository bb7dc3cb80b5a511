# The two commands of the README are `make demo` and `make test`. Both set up what they need: a virtual
# environment with pinned packages, and Debian packages where the standard library or a test needs them.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
ANSWERS ?= 2000000
SEED ?= 20250101
MINUTES ?= 10
CANDLES ?=
IMAGE ?= risk-exporter
ENGINE ?=
BASE ?=
UPGRADE ?= --upgrade
# Of the clone, for what is built without it; empty where there is none.
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)$(shell [ -z "$$(git status --porcelain 2>/dev/null)" ] || echo -dirty)

# What the tests run, by the names that Debian's packages give it.
PROGRAMS := prometheus=prometheus promtool=prometheus openssl=openssl curl=curl \
	prometheus-alertmanager=prometheus-alertmanager amtool=prometheus-alertmanager chromium=chromium \
	systemd-analyze=systemd npm=npm

python := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK = 1

LOCK := build/lock/bin/uv --quiet pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command 'make lock' $(UPGRADE)

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format generate docs pictures lead-time stories bench fuzz soak image wheel sbom lock base clean

help: ## What can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: $(VENV)/runtime ## The exporter in front of simulated venues on http://127.0.0.1:10217; no key, no network
	$(python) -m exporter demo

test: lint build/newer build/kube ## Everything that must hold before a change lands; a skipped test is a failure
	.ci/install $(PROGRAMS)
	PATH="$(abspath $(VENV))/bin:$$PATH:/usr/sbin" $(python) -m pytest --no-skips -n $(WORKERS)

# The next releases of these programs, unpacked beside the system's, which stay as they are.
build/newer: .ci/newer
	.ci/install $(PROGRAMS)
	.ci/newer $@
	touch $@

# Helm and kubectl, unpacked beside what the system has.
build/kube: .ci/kube
	.ci/install $(PROGRAMS)
	.ci/kube $@
	touch $@

test-all: ## The tests that need only Python, with every Python from 3.11 on that is here, and with the newest packages
	.ci/pythons

lint: $(VENV)/dev ## Style, formatting and types
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy

format: $(VENV)/dev ## Formats the code
	$(python) -m ruff check --fix
	$(python) -m ruff format

generate: $(VENV)/dev ## Writes again what is generated: reference pages, example configuration, rules, dashboards
	$(python) -m tests.generate

docs: generate ## The same

pictures: $(VENV)/dev ## Plays a story on the demo for 40 minutes and draws the dashboards of it into docs/pictures
	.ci/install prometheus=prometheus chromium-headless-shell=chromium-headless-shell pngquant=pngquant
	PATH="$(abspath $(VENV))/bin:$$PATH:/usr/sbin" $(python) -m tests.grafana.pictures --output docs/pictures

lead-time: $(VENV)/dev ## Plays four crashes against the rules into docs/lead-time.md; CANDLES= names a folder of candles
	.ci/install promtool=prometheus
	PATH="$(abspath $(VENV))/bin:$$PATH:/usr/sbin" $(python) -m tests.crashes $(if $(CANDLES),--candles=$(CANDLES))

stories: $(VENV)/dev build/newer ## The demo's stories and an hour of it at rest, exactly, with both releases (ten minutes)
	PATH="$(abspath $(VENV))/bin:$$PATH:/usr/sbin" STORIES_EXACTLY=1 $(python) -m pytest tests/e2e/test_stories.py

bench: $(VENV)/dev ## What it costs: start, risk engine, page beside its peers, fleets (half an hour, two cores)
	$(python) -m benchmarks.startup
	$(python) -m benchmarks.risk_engine
	$(python) -m benchmarks.page
	$(python) -m benchmarks.fleet

fuzz: $(VENV)/dev ## Ten times the damaged answers of the suite; ANSWERS= and SEED= choose how many and which
	FUZZ_ANSWERS=$(ANSWERS) FUZZ_SEED=$(SEED) $(python) -m pytest -n $(WORKERS) tests/fuzz

soak: $(VENV)/dev ## Ten minutes of chaos: memory, descriptors and tasks must stay flat; MINUTES= chooses how long
	$(python) -m tests.faults.soak --minutes $(MINUTES)

# The OCI format has no HEALTHCHECK; docker's own has one.
image: ## The container image, with the engine that is installed; see CONTRIBUTING.md
	@engine="$(ENGINE)"; \
	for candidate in docker podman buildah; do \
		[ -n "$$engine" ] || ! command -v $$candidate >/dev/null || engine=$$candidate; \
	done; \
	[ -n "$$engine" ] || { echo "docker, podman or buildah is needed" >&2; exit 1; }; \
	[ "$${engine##*/}" = docker ] && format= || format=--format=docker; \
	set -x; $$engine build $$format $(if $(BASE),--build-arg=BASE=$(BASE)) \
		--build-arg=REVISION=$(REVISION) --tag=$(IMAGE) --file=Dockerfile .

wheel: build/tools/complete ## The wheel, with dashboards, rules and revision in it, into dist/
	build/tools/bin/python -m hatchling build --target wheel --directory dist

sbom: build/tools/complete ## dist/risk-exporter.cdx.json: what the image has of Python, as a CycloneDX bill of materials
	rm -rf build/shipped && $(PYTHON) -m venv --without-pip build/shipped && mkdir -p dist
	build/tools/bin/pip --python build/shipped/bin/python install --quiet --require-hashes \
		--requirement requirements/runtime.txt
	build/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
		--output-file dist/risk-exporter.cdx.json build/shipped/bin/python

# The pins are those of the oldest interpreter that is supported, so that they fit every newer one.
lock: ## Takes the newest packages that pyproject.toml allows into requirements/; UPGRADE= keeps what fits
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet 'uv==0.13.9'
	$(LOCK) pyproject.toml --extra zkx --output-file requirements/runtime.txt
	$(LOCK) --group build --output-file requirements/build.txt
	$(LOCK) pyproject.toml --extra zkx --extra dev --output-file requirements/dev.txt

base: ## The newest digest of the image's base into Dockerfile; needs skopeo and the registry
	digest=$$(skopeo inspect --format '{{.Digest}}' "docker://$$(sed -n 's/^ARG BASE=\(.*\)@.*/\1/p' Dockerfile)") && \
		sed -i "s/^\(ARG BASE=.*@\).*/\1$$digest/" Dockerfile

clean: ## Removes what the other targets made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/created:
	PYTHON="$(PYTHON)" .ci/install --venv
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/runtime: $(VENV)/created requirements/runtime.txt
	$(python) -m pip install --quiet --require-hashes --requirement requirements/runtime.txt
	touch $@

$(VENV)/dev: $(VENV)/created requirements/dev.txt pyproject.toml
	$(python) -m pip install --quiet --require-hashes --requirement requirements/dev.txt
	$(python) -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@ $(VENV)/runtime

build/tools/complete: requirements/build.txt
	rm -rf build/tools && $(PYTHON) -m venv build/tools
	build/tools/bin/pip install --quiet --require-hashes --requirement requirements/build.txt
	touch $@
