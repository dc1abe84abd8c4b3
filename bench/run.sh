#!/usr/bin/env bash
# Builds what the benches need and prints our figures beside those of other programs.
# SWATH_BENCH_DATA: folder of generated data (see bench/README.md); SWATH_BENCH_PYTHON: interpreter with the anchors' packages.
set -euo pipefail
cd "$(dirname "$0")/.."
# One feature set for all of them, that of the tests: dependencies compile once.
cargo build --release --workspace --bins --examples
exec "${SWATH_BENCH_PYTHON:-python3}" bench/bench.py "$@"
