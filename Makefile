# Two commands matter: `make demo` and `make test`. Both make their own virtual environment from pinned,
# hash-checked packages; any Python from 3.11 on will do (`make PYTHON=python3.12 test` names one).

PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
VENV ?= .venv
RUN := $(VENV)/bin/
# one more than processors: tests that start processes wait half of the time
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
CHART := deploy/helm/huaweicloud-job-exporter

.PHONY: help demo test test-fast test-deploy torture soak fuzz sbom release lint bench docs lock clean

help:
	@echo "make demo   live metrics of all services from the built-in simulator, and a page to look at"
	@echo "make test   linters, types, import rules and all tests"
	@echo "make lint   linters, types and import rules alone"
	@echo "make test-fast  only the fast tests: no processes, no browser, no hours of simulated time"
	@echo "make test-deploy  builds the image, runs it, and checks all that deploy/ ships; wants root and Debian's podman"
	@echo "make torture    the whole exporter in simulated worlds of random seeds, for MINUTES=10; see docs/reliability.md"
	@echo "make soak       one exporter for POLLS=1000000 in simulated time: does its memory grow? many minutes"
	@echo "make fuzz       every parser, fed with bytes for SECONDS=60 each, guided by coverage where atheris installs"
	@echo "make sbom       what is shipped, as CycloneDX (sbom.json) and as a table of licences (docs/licences.md)"
	@echo "make release    dist/: wheel, sdist, chart, SBOM, provenance, checksums; with BASE=image@digest the image too"
	@echo "make bench  measure it against its peers on this machine (half an hour); see docs/performance.md"
	@echo "make docs   generate what is made from the code: metrics, configuration, alerts, dashboards"
	@echo "make lock   pin the newest versions of all dependencies, with hashes, in requirements/"

demo: $(VENV)/runtime
	$(RUN)python -m exporter demo

test: lint
	$(RUN)python -m pytest --numprocesses=$(WORKERS) --dist=worksteal

test-fast: $(VENV)/dev
	$(RUN)python -m pytest --numprocesses=auto --dist=worksteal -m "not slow" --hypothesis-profile=few

test-deploy: $(VENV)/dev $(VENV)/kubernetes-tools/fetched
	$(RUN)python -m pytest tests/deploy --numprocesses=2 --dist=loadscope

MINUTES ?= 10
torture: $(VENV)/dev
	$(RUN)python -m tests.world --minutes $(MINUTES) --held 50 --shrink

POLLS ?= 1000000
soak: $(VENV)/dev
	$(RUN)python -m tests.world --soak $(POLLS)

SECONDS ?= 60
fuzz: $(VENV)/dev
	$(RUN)pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/fuzz.txt \
		|| echo "atheris does not install here: inputs are not guided by coverage"
	$(RUN)python -m tests.fuzz --seconds $(SECONDS)

sbom: requirements/sbom.txt requirements/runtime.txt $(VENV)/dev
	$(RUN)python -m venv --clear $(VENV)/sbom
	$(VENV)/sbom/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/sbom.txt
	$(RUN)python -m venv --clear --without-pip $(VENV)/shipped
	$(VENV)/sbom/bin/pip --python $(VENV)/shipped/bin/python install --quiet --disable-pip-version-check \
		--require-hashes --only-binary :all: -r requirements/runtime.txt
	$(VENV)/sbom/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml -o sbom.json \
		$(VENV)/shipped/bin/python
	$(RUN)python -m deploy.licences < sbom.json > docs/licences.md

# BASE=python:3.13-slim@sha256:... builds the image too, with buildah or podman
release: sbom
	$(RUN)python -m deploy.release --sbom sbom.json $(if $(BASE),--base $(BASE))

lint: $(VENV)/dev
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy
	$(RUN)lint-imports --no-logo --cache-dir $(VENV)/import-linter
	$(RUN)codespell

bench: $(VENV)/dev
	$(RUN)python -m benchmarks

docs: $(VENV)/dev
	$(RUN)python -m exporter metrics > docs/metrics.md
	$(RUN)python -m exporter.cli.configuration > docs/configuration.md
	$(RUN)python -m deploy.prometheus.reference > docs/alerts.md
	$(RUN)python -m deploy.grafana.dashboards
	$(RUN)python -m deploy.helm.reference > $(CHART)/README.md
	rm -rf $(CHART)/files && mkdir -p $(CHART)/files
	cp -R deploy/prometheus/rules deploy/grafana/dashboards $(CHART)/files/

lock: $(VENV)/dev
	$(RUN)pip install uv
	$(RUN)uv pip compile -q -U --generate-hashes --universal -p 3.11 --no-emit-index-url --no-header \
		pyproject.toml -o requirements/runtime.txt
	$(RUN)uv pip compile -q -U --generate-hashes --universal -p 3.11 --no-emit-index-url --no-header --group dev \
		pyproject.toml -o requirements/dev.txt
	$(RUN)uv pip compile -q -U --generate-hashes --universal -p 3.11 --no-emit-index-url --no-header --group build \
		-c requirements/dev.txt -o requirements/build.txt
	$(RUN)uv pip compile -q -U --generate-hashes --universal -p 3.11 --no-emit-index-url --no-header --group fuzz \
		-o requirements/fuzz.txt
	$(RUN)uv pip compile -q -U --generate-hashes --universal -p 3.11 --no-emit-index-url --no-header --group sbom \
		-c requirements/dev.txt -o requirements/sbom.txt

clean:
	rm -rf $(VENV) sbom.json build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "no Python >= 3.11 found; install one or say make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime: requirements/runtime.txt | $(VENV)/bin/python
	$(RUN)pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@touch $@

$(VENV)/dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	$(RUN)pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(RUN)pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/runtime

$(VENV)/kubernetes-tools/fetched: requirements/kubernetes-tools.txt | $(VENV)/dev
	$(RUN)python -m tests.deploy.tools
	@touch $@
