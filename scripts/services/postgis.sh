#!/usr/bin/env bash
# A PostgreSQL server with PostGIS for the tests: a data folder of its own, a Unix socket, no port.
#
#   scripts/services/postgis.sh up     start it where it does not run, print its URL
#   scripts/services/postgis.sh down   stop it and remove its data
#   scripts/services/postgis.sh stop   stop it, keep its data
#
# Installs the Debian packages where they are missing and this is root, and says so; else says what
# is missing and ends with 3. SWATH_SERVICES names another folder for its data. The data are not
# made durable (fsync is off): they are for tests.
set -euo pipefail

readonly FOLDER=${SWATH_SERVICES:-${TMPDIR:-/tmp}/swath-services-$(id -u)}/postgis
readonly DATA=$FOLDER/data SOCKET=$FOLDER/socket LOG=$FOLDER/server.log
# With a Unix socket the number is part of a file name only.
readonly PORT=5432
readonly DATABASE=swath
readonly START_SECONDS_MAX=60

say() { echo "postgis: $*" >&2; }

server_folder() {
    local folder
    for folder in /usr/lib/postgresql/*/bin; do
        if [[ -x $folder/postgres && -x $folder/initdb ]]; then echo "$folder"; fi
    done | sort -V | tail -n 1
}

has_postgis() {
    local version
    version=$(basename "$(dirname "$1")")
    compgen -G "/usr/share/postgresql/$version/extension/postgis.control" >/dev/null
}

install_server() {
    if ! command -v apt-get >/dev/null || [[ $EUID -ne 0 ]]; then
        say "PostgreSQL with PostGIS is missing (Debian: postgresql postgresql-15-postgis-3)"
        exit 3
    fi
    local packages=(postgresql)
    apt-get -o DPkg::Lock::Timeout=600 update -qq >&2 || true
    local newest
    newest=$(apt-cache search --names-only '^postgresql-[0-9]+-postgis-3$' | awk '{print $1}' | sort -V | tail -n 1)
    if [[ -z $newest ]]; then
        say "no package of PostGIS is offered here"
        exit 3
    fi
    packages+=("$newest")
    say "installing system packages: ${packages[*]}"
    # The packages would start a server of their own.
    if ! RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq \
        --no-install-recommends "${packages[@]}" >&2; then
        say "the packages cannot be installed"
        exit 3
    fi
}

# PostgreSQL refuses to run as root.
as_owner() {
    if [[ $EUID -eq 0 ]]; then
        (cd / && setpriv --reuid=postgres --regid=postgres --init-groups env HOME="$FOLDER" "$@")
    else
        "$@"
    fi
}

is_ready() { as_owner "$BIN/pg_isready" -q -h "$SOCKET" -p "$PORT"; }

make_data() {
    as_owner "$BIN/initdb" -D "$DATA" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$FOLDER/initdb.log" 2>&1
    as_owner tee -a "$DATA/postgresql.conf" >/dev/null <<SETTINGS
listen_addresses = ''
port = $PORT
unix_socket_directories = '$SOCKET'
shared_buffers = '${SWATH_POSTGRES_MEMORY:-256MB}'
work_mem = '16MB'
maintenance_work_mem = '128MB'
max_connections = 200
fsync = off
synchronous_commit = off
full_page_writes = off
jit = off
random_page_cost = 1.1
SETTINGS
}

start() {
    BIN=$(server_folder)
    if [[ -z $BIN ]] || ! has_postgis "$BIN"; then
        install_server
        BIN=$(server_folder)
    fi
    mkdir -p "$SOCKET"
    chmod 755 "$(dirname "$FOLDER")" "$FOLDER" "$SOCKET"
    if [[ $EUID -eq 0 ]]; then chown postgres: "$FOLDER" "$SOCKET"; fi
    if [[ ! -s $DATA/PG_VERSION ]]; then make_data; fi
    if ! is_ready; then
        if ! as_owner "$BIN/pg_ctl" -D "$DATA" -l "$LOG" -w -t "$START_SECONDS_MAX" start >/dev/null; then
            tail -n 20 "$LOG" >&2
            say "the server does not start"
            exit 3
        fi
    fi
    local query=(as_owner "$BIN/psql" -h "$SOCKET" -p "$PORT" -U postgres -Atq)
    if [[ $("${query[@]}" -c "SELECT count(*) FROM pg_database WHERE datname = '$DATABASE'" postgres) = 0 ]]; then
        "${query[@]}" -c "CREATE DATABASE $DATABASE" postgres
    fi
    "${query[@]}" -c "SET client_min_messages = error; CREATE EXTENSION IF NOT EXISTS postgis" "$DATABASE" >/dev/null
    echo "postgres://postgres@localhost/$DATABASE?host=$SOCKET&port=$PORT"
}

stop() {
    BIN=$(server_folder)
    if [[ -n $BIN && -s $DATA/postmaster.pid ]]; then
        as_owner "$BIN/pg_ctl" -D "$DATA" -m fast -w stop >/dev/null || true
    fi
}

mkdir -p "$FOLDER"
# Several test programs may ask at once. The server must not inherit the lock.
exec 9>"$FOLDER/../postgis.lock"
flock -w 900 9
case ${1:-} in
    up) start 9>&- ;;
    stop) stop 9>&- ;;
    down)
        stop 9>&-
        rm -rf "$FOLDER"
        ;;
    *)
        say "usage: $0 up | stop | down"
        exit 2
        ;;
esac
