# The two commands to know: `make demo` and `make test`. Each sets up what it needs and says so.
# One profile (release) for everything, so that dependencies compile once.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo build test check format bench soak test-clients

LANE := scripts/lane.sh
SWATH := target/release/swath
export SWATH_BIN ?= $(CURDIR)/$(SWATH)
# Cases per property test of `make soak`.
SOAK_CASES ?= 20000

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: build ## Build, simulate a season, extract it, show what came out
	$(SWATH) demo

build: ## Build target/release/swath
	@scripts/setup.sh build
	cargo build --release

test: ## Everything: format, spelling, lints, tests in Rust, tests against the reference programs
	@scripts/setup.sh test
	@$(LANE) format cargo fmt --all --check
	@$(LANE) spelling target/venv/bin/typos
	@$(LANE) lints cargo clippy --release --workspace --all-targets -- -D warnings
	@$(LANE) build cargo build --release --workspace --bins --tests
	@$(LANE) tests cargo test --release --workspace --no-fail-fast
	@echo "== acceptance tests: pytest tests -q"
	@target/venv/bin/python -m pytest tests -q

check: ## Quick loop: format, spelling, lints, unit tests, architecture test
	@scripts/setup.sh check
	@$(LANE) format cargo fmt --all --check
	@$(LANE) spelling target/venv/bin/typos
	@$(LANE) lints cargo clippy --release --workspace --all-targets -- -D warnings
	@$(LANE) "unit tests" cargo test --release --workspace --lib --bins --quiet
	@$(LANE) "architecture test" cargo test --release --workspace --test it --quiet -- architecture

format: ## Format the code
	cargo fmt --all

bench: ## Our figures beside GDAL, exactextract, rasterstats; says what is absent
	@scripts/setup.sh test
	SWATH_BENCH_PYTHON="$${SWATH_BENCH_PYTHON:-$(CURDIR)/target/venv/bin/python}" bench/run.sh

soak: ## Property tests with many cases (SOAK_CASES=20000); there is no server yet that could run for hours
	@scripts/setup.sh build
	PROPTEST_CASES=$(SOAK_CASES) cargo test --release --workspace

test-clients: ## Not there yet: needs the HTTP faces
	@echo "test-clients: nothing was run. There is no HTTP face yet, hence no client (QGIS, pystac-client, openEO) to test it with."
