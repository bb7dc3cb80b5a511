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

# What the tests run, by the names that Debian's packages give it.
PROGRAMS := prometheus=prometheus promtool=prometheus openssl=openssl curl=curl \
	prometheus-alertmanager=prometheus-alertmanager amtool=prometheus-alertmanager chromium=chromium

python := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export CUSTOM_COMPILE_COMMAND = make lock

PIP_COMPILE := --quiet --upgrade --strip-extras --no-emit-options --no-emit-index-url --no-emit-find-links \
	--no-emit-trusted-host pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help demo test lint format generate docs pictures lead-time stories bench fuzz soak image lock clean

help: ## What can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: $(VENV)/runtime ## The exporter in front of simulated venues on http://127.0.0.1:10217; no key, no network
	$(python) -m exporter demo

test: lint build/newer ## Everything that must hold before a change lands; a skipped test is a failure
	.ci/install $(PROGRAMS)
	PATH="$(abspath $(VENV))/bin:$$PATH:/usr/sbin" $(python) -m pytest --no-skips -n $(WORKERS)

# The next releases of these programs, unpacked beside the system's, which stay as they are.
build/newer: .ci/newer
	.ci/install $(PROGRAMS)
	.ci/newer $@
	touch $@

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
	set -x; $$engine build $$format $(if $(BASE),--build-arg=BASE=$(BASE)) --tag=$(IMAGE) --file=Dockerfile .

# The pins are those of one interpreter: the oldest that is supported, so that they fit every newer one.
lock: ## Takes the newest packages that pyproject.toml allows into requirements/
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet 'pip-tools==7.6.2'
	build/lock/bin/pip-compile $(PIP_COMPILE) --extra=zkx -o requirements/runtime.txt
	build/lock/bin/pip-compile $(PIP_COMPILE) --extra=zkx --extra=dev -o requirements/dev.txt

clean: ## Removes what the other targets made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/created:
	PYTHON="$(PYTHON)" .ci/install --venv
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/runtime: $(VENV)/created requirements/runtime.txt
	$(python) -m pip install --quiet --requirement requirements/runtime.txt
	touch $@

$(VENV)/dev: $(VENV)/created requirements/dev.txt pyproject.toml
	$(python) -m pip install --quiet --requirement requirements/dev.txt
	$(python) -m pip install --quiet --no-deps --editable .
	touch $@ $(VENV)/runtime
