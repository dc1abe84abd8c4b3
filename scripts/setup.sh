#!/usr/bin/env bash
# Brings a fresh Debian or Ubuntu machine to where the program builds, is checked and is tested.
#
#   scripts/setup.sh build   Rust and a C compiler
#   scripts/setup.sh portal  Node.js and npm, for the portal
#   scripts/setup.sh check   that, rustfmt, clippy, and the Python tools of `make check`
#   scripts/setup.sh test    that, the reference programs of the acceptance tests, and Chromium for the portal
#   scripts/setup.sh clients that, QGIS without its desktop, and MapProxy in target/client-venv
#   scripts/setup.sh bench   what bench/catalog.sh and bench/maps.py measure beside ours
#
# Says what it installs. System packages only as root or where sudo asks for no password; else it
# says which are missing and stops. Python packages go to target/venv (those of the bench to
# target/bench-venv, of other servers to target/client-venv), nowhere else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=target/venv
# The reference programs need this Python or a newer one.
readonly PYTHON_MINOR_MIN=11
# Vite, which builds the portal, needs this Node.js or a newer one.
readonly NODE_MAJOR_MIN=20
readonly NODE_MINOR_MIN=19
readonly PYTHONS=(python3 python3.14 python3.13 python3.12 python3.11)

say() { echo "setup: $*" >&2; }

missing() {
    say "$1"
    say "  $2"
    exit 1
}

# Installs Debian packages, or says which and stops.
install_packages() {
    local as_root=()
    if ! command -v apt-get >/dev/null; then
        missing "missing: $* (Debian names), and there is no apt-get to install them with" "install them and run this again"
    elif [[ $EUID -ne 0 ]]; then
        if ! sudo -n true 2>/dev/null; then
            missing "missing system packages: $*" "run: sudo apt-get update && sudo apt-get install -y $*"
        fi
        as_root=(sudo)
    fi
    say "installing system packages: $*"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

need_rust() {
    command -v cargo >/dev/null || missing "missing: Rust" "see https://rustup.rs"
    if ! command -v cc >/dev/null; then
        install_packages gcc libc6-dev
    fi
}

# rustfmt and clippy come with rustup's default profile, not with its minimal one.
need_rust_tools() {
    local tool
    for tool in rustfmt clippy; do
        local command=$tool
        [[ $tool == clippy ]] && command=cargo-clippy
        if "$command" --version >/dev/null 2>&1; then continue; fi
        command -v rustup >/dev/null || missing "missing: $tool" "install it with the Rust tools of this machine"
        say "installing the Rust component $tool"
        rustup component add "$tool" >&2
    done
}

# Prints the first Python that is new enough and can make environments.
find_python() {
    local name
    for name in "${PYTHONS[@]}"; do
        command -v "$name" >/dev/null || continue
        if "$name" -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, $PYTHON_MINOR_MIN))" 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    return 1
}

need_venv() {
    if [[ -x $VENV/bin/python ]] && "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then return; fi
    local python
    if ! python=$(find_python); then
        install_packages python3-venv
        if ! python=$(find_python); then
            # The system's Python is older; Ubuntu 22.04 has a newer one beside it.
            install_packages "python3.$PYTHON_MINOR_MIN-venv"
            python=$(find_python) || missing "missing: Python 3.$PYTHON_MINOR_MIN or newer" "install it with its venv module"
        fi
    fi
    say "making $VENV with $("$python" --version)"
    "$python" -m venv --clear "$VENV"
}

# Whether there is a Node.js that the portal can be built with.
has_node() {
    command -v npm >/dev/null && node -e "const [major, minor] = process.versions.node.split('.').map(Number); process.exit(major > $NODE_MAJOR_MIN || (major === $NODE_MAJOR_MIN && minor >= $NODE_MINOR_MIN) ? 0 : 1)" 2>/dev/null
}

# Prints the major version of the Node.js that apt-get would install; 0 for none.
node_on_offer() {
    local version
    version=$(apt-cache policy nodejs 2>/dev/null | sed -n 's/^ *Candidate: \([0-9]*\).*/\1/p')
    echo "${version:-0}"
}

need_node() {
    if has_node; then return; fi
    # Older distributions have a Node.js that would not do.
    if ! command -v node >/dev/null && [[ $(node_on_offer) -ge $NODE_MAJOR_MIN ]]; then install_packages nodejs npm; fi
    has_node || missing "missing: Node.js $NODE_MAJOR_MIN.$NODE_MINOR_MIN or newer with npm, to build the portal" "see https://nodejs.org"
}

# Chromium draws the portal in its tests, which are skipped without it.
want_browser() {
    local name
    for name in chromium chromium-browser google-chrome; do
        if command -v "$name" >/dev/null; then return; fi
    done
    (install_packages chromium) || say "no Chromium: the tests of the portal in a browser will be skipped"
}

# Leaflet, OpenLayers and MapLibre, which the tests draw our maps with; without Node.js those are skipped.
want_map_libraries() {
    local packages=tests/web/node_modules/.package-lock.json
    if ! has_node; then return; fi
    if [[ -e $packages && ! tests/web/package-lock.json -nt $packages ]]; then return; fi
    say "installing the map libraries of tests/web"
    npm install --prefix tests/web --no-save --no-audit --no-fund --no-progress --loglevel=error >&2 &&
        touch "$packages" || say "no map libraries: their tests will be skipped"
}

# Installs a list of Python packages, once per content of the list.
need_python_packages() {
    local list=$1
    local stamp=$VENV/${list//\//-}.installed
    if cmp -s "$list" "$stamp"; then return; fi
    say "installing the Python packages of $list into $VENV"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$list" >&2
    cp "$list" "$stamp"
}

case ${1:-} in
build)
    need_rust
    ;;
portal)
    need_node
    ;;
check)
    need_rust
    need_rust_tools
    need_venv
    need_python_packages scripts/lint-requirements.txt
    ;;
test)
    need_rust
    need_rust_tools
    need_venv
    need_python_packages scripts/lint-requirements.txt
    need_python_packages tests/requirements.txt
    want_browser
    want_map_libraries
    ;;
clients)
    "$0" test
    # QGIS brings modules for the Python of the system.
    if ! /usr/bin/python3 -c 'import qgis.core' >/dev/null 2>&1; then
        install_packages python3-qgis qgis-providers
    fi
    VENV=target/client-venv
    need_venv
    need_python_packages tests/client-requirements.txt
    ;;
bench)
    # Apart from the tests: the versions that these servers want must not decide over theirs.
    VENV=target/bench-venv
    need_venv
    need_python_packages bench/requirements.txt
    ;;
*)
    echo "usage: $0 build|portal|check|test|clients|bench" >&2
    exit 2
    ;;
esac
