#!/usr/bin/env bash
# The demo, then its portal: served until Ctrl-C on a terminal, where there is a display in the browser, too.
#
#   scripts/demo.sh SWATH     SWATH_PORT: where it is served (8080)
set -euo pipefail
readonly swath=$1
readonly home=${SWATH_HOME:-./swath-data}/demo
readonly port=${SWATH_PORT:-8080}
readonly address=http://127.0.0.1:$port/
# A hundredth of a second each.
readonly LOOKS_MAX=1000

"$swath" demo
if [[ ! -t 1 ]]; then
    echo "The portal: $swath --home $home serve --port $port, then $address"
    exit 0
fi
"$swath" --home "$home" serve --port "$port" &
readonly server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
for ((look = 0; look < LOOKS_MAX; look++)); do
    if ! kill -0 "$server" 2>/dev/null; then wait "$server"; fi
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    sleep 0.01
done
echo "The portal: $address  (Ctrl-C ends it)"
if [[ -n ${DISPLAY:-}${WAYLAND_DISPLAY:-} ]] && command -v xdg-open >/dev/null; then
    xdg-open "$address" >/dev/null 2>&1 || true
fi
wait "$server"
