#!/usr/bin/env bash
# Builds what the bench of the extract table needs and runs it: ours, Polars, DuckDB and PostgreSQL on the same rows.
#   bench/table.sh [ROWS] [OPTIONS OF bench/table.py]        5,000,000 rows by default; the figures of the design have 50,000,000
# Polars and DuckDB come from target/bench-venv (scripts/setup.sh bench), PostgreSQL from scripts/services/postgis.sh;
# what is absent is said, and the rest is measured.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --workspace --bins --examples
exec python3 bench/table.py --rows "${1:-5000000}" "${@:2}"
