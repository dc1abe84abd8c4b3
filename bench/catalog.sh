#!/usr/bin/env bash
# Builds what the bench of the catalogue needs and runs it: ours on SQLite and PostgreSQL, pgSTAC beside it.
#   bench/catalog.sh [ITEMS] [OPTIONS OF bench/catalog.py]        100,000 items by default
# PostgreSQL is started by scripts/services/postgis.sh, pgSTAC comes from target/bench-venv (scripts/setup.sh bench);
# what is absent is said, and the rest is measured.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --workspace --bins --examples
exec python3 bench/catalog.py --items "${1:-100000}" "${@:2}"
