# Every target bootstraps .venv by itself, from uv.lock. `make` alone lists them.

PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
UV := UV_PROJECT_ENVIRONMENT=.venv UV_LINK_MODE=copy $(BIN)/uv
WORKERS ?= 4
HOST := src/midstream/runtime/host.ts

.DEFAULT_GOAL := help
.PHONY: help demo test check format openapi bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.ready ## Run the whole thing on loopback with sample data (ARGS="--port 5000 --keep ./demo-data")
	@$(BIN)/midstream demo $(ARGS)

test: .venv/.dev ## Run all tests in parallel (ARGS="-k retry" for some of them)
	@$(BIN)/pytest -n $(WORKERS) $(ARGS)

check: .venv/.dev ## Lint, types, import contracts, dependencies, spelling
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/deno check --quiet $(HOST) && $(BIN)/lint-imports --no-logo 2>/dev/null \
	  && $(BIN)/deptry src && $(BIN)/codespell && echo "All checks passed; nothing was skipped."

format: .venv/.dev ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

openapi: .venv/.dev ## Write docs/openapi.json, which a test compares with the code
	@$(BIN)/python -c "import json; from midstream.api.application import document; print(json.dumps(document(), indent=1))" > docs/openapi.json

bench: .venv/.dev ## Measure, as ratios to baselines of the same minute (ARGS="--quick")
	@$(BIN)/python -m bench $(ARGS)

clean: ## Remove what these targets made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/bin/uv:
	@$(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.ready: .venv/bin/uv uv.lock pyproject.toml
	@echo "Setting up .venv from uv.lock …" && $(UV) sync --frozen --inexact --no-dev --quiet --compile-bytecode && touch $@

.venv/.dev: .venv/bin/uv uv.lock pyproject.toml
	@echo "Setting up .venv from uv.lock …" && $(UV) sync --frozen --inexact --quiet --compile-bytecode && touch $@ .venv/.ready
