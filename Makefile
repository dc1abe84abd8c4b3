# The two commands to know: `make demo` and `make test`. Each sets up what it needs and says so.
# One profile (release) for everything, so that dependencies compile once.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo build test check format bench soak test-clients test-sql

LANE := scripts/lane.sh
SWATH := target/release/swath
# A program without its portal is a program still: where Node.js cannot be had, that is said.
PORTAL_CHECK := $(LANE) portal scripts/portal.sh check || { test $$? -eq 3 && echo "skipped: checks of the portal, for want of Node.js"; }
PORTAL := $(LANE) portal scripts/portal.sh build || echo "skipped: the portal; the program says how to add it"
export SWATH_BIN ?= $(CURDIR)/$(SWATH)
# Workers of pytest: most tests wait for one thread of Python or of a reference program.
PYTEST_WORKERS ?= 2
# `make soak`: cases per property test, and how often an ingest is killed and repeated (5 in `make test`).
SOAK_CASES ?= 20000
SOAK_KILLS ?= 100
# `make soak`: random requests to a served archive (2,000 in `make test`), and where they begin.
SOAK_REQUESTS ?= 100000
SOAK_SEED ?= 1
# Items of the catalogue of `make bench`.
BENCH_ITEMS ?= 100000

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: build ## Build, simulate a season, register, search and extract it, show what came out, open the portal
	@scripts/demo.sh $(SWATH)

build: ## Build target/release/swath, with the portal
	@scripts/setup.sh build
	@$(PORTAL)
	cargo build --release

test: ## Everything: format, spelling, lints, tests in Rust, tests against the reference programs, the portal in a browser
	@scripts/setup.sh test
	@$(PORTAL_CHECK)
	@$(LANE) format cargo fmt --all --check
	@$(LANE) spelling target/venv/bin/typos
	@$(LANE) lints cargo clippy --release --workspace --all-targets -- -D warnings
	@$(LANE) build cargo build --release --workspace --bins --tests
	@scripts/services/postgis.sh up >/dev/null || echo "skipped: tests on PostgreSQL, which cannot be had here"
	@trap 'scripts/services/postgis.sh down >/dev/null 2>&1 || true' EXIT; $(LANE) tests cargo test --release --workspace --no-fail-fast
	@trap 'scripts/services/postgis.sh down >/dev/null 2>&1 || true' EXIT; \
	$(LANE) "acceptance tests" target/venv/bin/python -m pytest tests -q -n $(PYTEST_WORKERS) --dist loadgroup --durations=15

check: ## Quick loop: format, spelling, lints, unit tests, architecture test
	@scripts/setup.sh check
	@$(PORTAL_CHECK)
	@$(LANE) format cargo fmt --all --check
	@$(LANE) spelling target/venv/bin/typos
	@$(LANE) lints cargo clippy --release --workspace --all-targets -- -D warnings
	@$(LANE) "unit tests" cargo test --release --workspace --lib --bins --quiet
	@$(LANE) "architecture test" cargo test --release --workspace --test it --quiet -- architecture

format: ## Format the code
	cargo fmt --all

bench: ## Our figures beside GDAL, exactextract, rasterstats, pgSTAC, titiler, MapServer; says what is absent (BENCH_ITEMS=100000)
	@scripts/setup.sh test
	SWATH_BENCH_PYTHON="$${SWATH_BENCH_PYTHON:-$(CURDIR)/target/venv/bin/python}" bench/run.sh
	@scripts/setup.sh bench || echo "absent: packages of bench/requirements.txt; our own figures alone"
	bench/catalog.sh $(BENCH_ITEMS)
	python=target/bench-venv/bin/python; [[ -x $$python ]] || python=target/venv/bin/python; $$python bench/maps.py

soak: ## Property tests with many cases (SOAK_CASES=20000), ingest and extraction killed often (SOAK_KILLS=100), random requests (SOAK_REQUESTS=100000)
	@scripts/setup.sh test
	PROPTEST_CASES=$(SOAK_CASES) SWATH_TEST_KILLS=$(SOAK_KILLS) cargo test --release --workspace
	cargo build --release
	target/venv/bin/python bench/soak_server.py --requests $(SOAK_REQUESTS) --seed $(SOAK_SEED)

test-clients: build ## Clients we did not write against our server: validators, pystac-client, rustac, EODAG, schemathesis, QGIS, MapProxy
	@scripts/setup.sh clients
	@target/venv/bin/python -m pytest tests/test_stac_api.py tests/test_ows.py tests/test_gis_clients.py -q

test-sql: ## `swath sql`, also beside DuckDB; not in `make test`: its engine takes some ten minutes of processor more to compile
	@scripts/setup.sh test
	@$(LANE) "tests of sql" env CARGO_PROFILE_DEV_DEBUG=0 cargo test --target-dir target/sql-test -p swath-cli --features sql --bins --test it -- sql
	@$(LANE) "sql beside DuckDB" env SWATH_BIN=$(CURDIR)/target/sql-test/debug/swath target/venv/bin/python -m pytest tests/test_sql.py -q
