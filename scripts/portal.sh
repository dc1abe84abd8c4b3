#!/usr/bin/env bash
# Builds and checks the portal; what is built goes into the program with the next `cargo build`.
#
#   scripts/portal.sh build   its packages and portal/dist/site, where sources are newer
#   scripts/portal.sh check   build, types, unit tests
#
# Without Node.js the program builds, too: then it serves a page that says how to build the portal.
set -euo pipefail
# Exit code where there is no Node.js and none can be had.
readonly NO_NODE=3
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh portal || exit "$NO_NODE"
cd portal

readonly PACKAGES=node_modules/.package-lock.json
readonly PAGE=dist/site/index.html

if [[ ! -e $PACKAGES || package.json -nt $PACKAGES || package-lock.json -nt $PACKAGES ]]; then
    echo "portal: npm install" >&2
    # Not `npm ci`: it wants the optional packages of every system in the lock file, and registries may lack some.
    npm install --no-save --no-audit --no-fund --no-progress --loglevel=error >&2
    touch "$PACKAGES"
fi
if [[ ! -e $PAGE || -n $(find src public scripts index.html vite.config.ts package-lock.json -newer "$PAGE" -print -quit) ]]; then
    echo "portal: npm run build" >&2
    npm run --silent build -- --logLevel warn >&2
fi
case ${1:-} in
build) ;;
check)
    npm run --silent api
    npm run --silent check
    npm test --silent
    ;;
*)
    echo "usage: $0 build|check" >&2
    exit 2
    ;;
esac
