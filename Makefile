# Every target but `help`, `image` and `clean` builds the environment first, and only when it is out of date.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.up-to-date
# Twice quiet: errors only. What pip warns of is how this machine is set up, not what is installed.
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
ARGS ?=
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
IMAGE ?= tocsin:$(VERSION)
OVERLAY ?= dev

.DEFAULT_GOAL := help
.PHONY: help setup run check test smoke soak bench migrate image deploy status undeploy lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Build the environment in .venv (PYTHON=python3.12 chooses an interpreter)

run: setup ## Run everything on this machine, with a first alert in a minute
	@$(BIN)/tocsin serve $(ARGS)

check: setup ## Check format, lint, types and import directions: what CI checks
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy shared functions knative tests
	@$(BIN)/lint-imports --no-logo

test: setup ## Run the tests, after installing their servers where it may (ARGS="tests/core -k cooldown")
	@$(BIN)/python -m tests.support.install
	@$(BIN)/pytest -n 3 $(ARGS)

smoke: setup ## Start everything for real and follow one alert to its end
	@$(BIN)/python -m tests.smoke $(ARGS)

soak: setup ## Break everything for minutes, and compare what was told with the truth (ARGS="--minutes 10 --seed 7")
	@$(BIN)/python -m tests.soak $(ARGS)

bench: setup ## Measure what docs/performance.md promises (ARGS="tick publish --rules 2000")
	@$(BIN)/python -m tests.bench $(ARGS)

migrate: setup ## Bring the database of TOCSIN_DATABASE_URL up to date
	@$(BIN)/tocsin migrate $(ARGS)

image: ## Build the container image with docker or podman (IMAGE=registry.example.com/tocsin:0.1.0)
	@engine=$$(command -v docker || command -v podman) || { \
		echo "Neither docker nor podman is installed here, and the image is built by one of them."; \
		echo "Install one, or build it elsewhere: podman build -f knative/Containerfile -t $(IMAGE) ."; exit 1; }; \
	"$$engine" build --file knative/Containerfile --tag "$(IMAGE)" --build-arg "VERSION=$(VERSION)" \
		--build-arg "REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown)" $(ARGS) . \
	&& echo "Built $(IMAGE). It runs functions; with the command serve it runs all of Tocsin: docs/standalone.md"

deploy: setup ## Bring an overlay into the cluster of kubectl (OVERLAY=dev IMAGE=registry.example.com/tocsin:0.1.0)
	@$(BIN)/python -m knative.cluster deploy --overlay $(OVERLAY) $(if $(filter-out file,$(origin IMAGE)),--image $(IMAGE)) $(ARGS)

status: setup ## Say what of an overlay is ready in the cluster, and what is not (OVERLAY=dev)
	@$(BIN)/python -m knative.cluster status --overlay $(OVERLAY) $(ARGS)

undeploy: setup ## Take an overlay out of the cluster, but its namespace, Secrets and volumes (OVERLAY=dev)
	@$(BIN)/python -m knative.cluster undeploy --overlay $(OVERLAY) $(ARGS)

lock: setup ## Write requirements.lock anew from pyproject.toml
	@$(PIP) install uv
	@$(BIN)/uv pip compile pyproject.toml --quiet --upgrade --all-extras --universal --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file requirements.lock

clean: ## Remove the environment, caches and builds (never your data)
	@rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find functions knative shared tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Tocsin needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1)."; \
		echo "Install a newer one and name it: make setup PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { \
		rm -rf .venv; echo "$(PYTHON) can't make environments; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Installing $$(wc -l < requirements.lock) packages into .venv, which takes about a minute"
	@$(PIP) install -r requirements.lock
	@$(PIP) install --no-deps -e .
	@touch $@
