#!/usr/bin/env bash
# Runs one step of a longer run under a title and says how long it took: scripts/lane.sh TITLE COMMAND…
set -euo pipefail
readonly title=$1
shift
readonly start_s=$SECONDS
echo "== $title: $*"
status=0
"$@" || status=$?
if [[ $status -ne 0 ]]; then
    echo "== $title: failed after $((SECONDS - start_s)) s (exit $status)" >&2
    exit "$status"
fi
echo "== $title: $((SECONDS - start_s)) s"
