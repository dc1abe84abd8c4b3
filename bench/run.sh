#!/usr/bin/env bash
# Builds what the benches need and prints our figures beside those of other programs.
# SWATH_BENCH_DATA: folder of generated data (see bench/README.md); SWATH_BENCH_PYTHON: interpreter with the anchors' packages.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release -p swath-cli
cargo build --release -p swath-io --example decode_blocks
cargo build --release -p swath-testkit
exec "${SWATH_BENCH_PYTHON:-python3}" bench/bench.py "$@"
