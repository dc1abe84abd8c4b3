#!/usr/bin/env python3
"""Registers and searches the same items in our catalogue and in pgSTAC, and prints figures of both.

    bench/catalog.py --items N [--data DIR] [--only-sqlite | --only-postgres]

Ours runs on SQLite and on PostgreSQL: in one process without HTTP (the example catalog_bench), and through
`swath serve`. Beside it, in the same PostgreSQL server: pgSTAC, loaded by `pypgstac load`, partitioned by month, and
served by stac-fastapi-pgstac with one uvicorn process. Both servers are asked the same questions by the same
client over one kept connection, one after the other, ten whole items each: once cold (the first time), once warm.
Before that, all ids that either side finds are compared. CPU seconds are those of the loading program alone, without
the database server. Items and questions are those of bench/items.py; they are kept in --data.
"""
import argparse, http.client, json, os, re, shutil, subprocess, sys, tempfile, time, urllib.parse
from contextlib import contextmanager
from pathlib import Path

import items as generator
from bench import ROOT, SWATH, measure

EXAMPLE = Path(os.environ.get("SWATH_CATALOG_BENCH", ROOT / "target/release/examples/catalog_bench"))
VENV = Path(os.environ.get("SWATH_BENCH_VENV", ROOT / "target/bench-venv"))
START_S_MAX = 60
# Items registered in process; the same on a larger archive would take its time twice.
IN_PROCESS_ITEMS_MAX = 100_000
# Most items of a page that both sides give, and questions whose ids are compared.
COMPARED_ITEMS_MAX, COMPARED_QUESTIONS = 1_000, 50
NAMES = {"tile": "0.5 degrees + month + cloud", "country": "8 degrees + month + cloud"}


class Postgres:
    """A PostgreSQL server with PostGIS, with a schema and a database of our own in it."""

    def __init__(self, url):
        self.url, self.schema, self.database = url, f"bench_{os.getpid()}", f"pgstac_bench_{os.getpid()}"
        parts = urllib.parse.urlsplit(url)
        query = dict(urllib.parse.parse_qsl(parts.query))
        self.host, self.port = query.get("host", parts.hostname), query.get("port", parts.port or 5432)
        self.user = parts.username or "postgres"
        self.environment = {**os.environ, "PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": self.user,
                            "PGDATABASE": self.database, "PGPASSWORD": parts.password or "none"}

    @classmethod
    def up(cls):
        done = subprocess.run([ROOT / "scripts/services/postgis.sh", "up"], capture_output=True, text=True)
        if done.returncode == 0 and shutil.which("psql"):
            return cls(done.stdout.strip())
        print(f"absent: PostgreSQL with PostGIS: {done.stderr.strip() or 'no psql'}", file=sys.stderr)
        return None

    def run(self, sql, own_database=False):
        target = [] if own_database else [self.url]
        command = ["psql", *target, "-Atqc", f"SET client_min_messages = error; {sql}"]
        if own_database or sql.startswith(("CREATE DATABASE", "DROP DATABASE")):
            command[-1] = sql  # not in one transaction with anything
        return subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True).stdout.strip()

    def clean(self):
        for sql in (f"DROP SCHEMA IF EXISTS {self.schema} CASCADE", f"DROP DATABASE IF EXISTS {self.database}"):
            self.run(sql)


@contextmanager
def running(command, log, pattern=None, env=None, ready=None):
    """Starts a server; yields its URL once it answers; stops it."""
    with open(log, "wb") as stream:
        process = subprocess.Popen([str(word) for word in command], stdout=stream, stderr=stream, env=env)
    try:
        end = time.monotonic() + START_S_MAX
        while time.monotonic() < end and process.poll() is None:
            found = re.search(pattern, log.read_text(errors="replace")) if pattern else None
            if found or (ready and answers(ready)):
                yield found.group(1) if found else ready
                return
            time.sleep(0.1)
        raise SystemExit(f"no server after {START_S_MAX} s: {log.read_text(errors='replace')[-2000:]}")
    finally:
        process.terminate()
        process.wait()


def answers(url):
    parts = urllib.parse.urlsplit(url)
    try:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
        connection.request("GET", "/_mgmt/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False


class Client:
    """Asks one server over one connection."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.path = parts.path.rstrip("/") + "/search"
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=300)

    def ask(self, body):
        """Returns milliseconds until the whole answer is there, and the answer."""
        text = json.dumps(body)
        begin = time.perf_counter()
        self.connection.request("POST", self.path, text, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        content = answer.read()
        milliseconds = (time.perf_counter() - begin) * 1e3
        if answer.status != 200:
            raise SystemExit(f"{self.path}: {answer.status}: {content[:500]!r} to {text}")
        return milliseconds, content

    def ids(self, body):
        _, content = self.ask(body | {"limit": COMPARED_ITEMS_MAX})
        return {item["id"] for item in json.loads(content)["features"]}


def percentiles(times):
    times = sorted(times)
    return tuple(times[round(share * (len(times) - 1))] for share in (0.5, 0.95))


def ask_all(url, questions):
    """Returns {question kind: (cold, warm, kB per answer)}; cold and warm are median and 95th percentile."""
    client, figures = Client(url), {}
    for name in NAMES:
        bodies = [question["body"] for question in questions if question["name"] == name]
        cold = percentiles([client.ask(body)[0] for body in bodies])
        asked = [client.ask(body) for body in bodies]
        size = sum(len(content) for _, content in asked) / len(asked) / 1e3
        figures[name] = (cold, percentiles([times for times, _ in asked]), size)
    return figures


def found_ids(url, questions):
    client = Client(url)
    return [client.ids(question["body"]) for question in questions]


class Bench:
    def __init__(self, args):
        self.args, self.scratch = args, Path(tempfile.mkdtemp(prefix="swath-bench-"))
        self.data = args.data / f"items-{args.items}"
        self.rows, self.served, self.ids = [], {}, {}

    def run(self):
        self.make_data()
        self.questions = [json.loads(line) for line in (self.data / "questions.ndjson").open()]
        # Both kinds, equally many.
        by_kind = [[one for one in self.questions if one["name"] == name] for name in NAMES]
        self.compared = [one for kind in by_kind for one in kind[: COMPARED_QUESTIONS // 2]]
        print("| catalogue | job | figure |\n|---|---|---|")
        if not self.args.only_postgres:
            self.measure_sqlite()
        postgres = None if self.args.only_sqlite else Postgres.up()
        if postgres:
            try:
                self.measure_postgres(postgres)
            finally:
                postgres.clean()
        self.print_ratios()

    def measure_sqlite(self):
        home = self.scratch / "sqlite"
        self.measure_ours("SQLite", home, f"sqlite:{home / 'catalog.sqlite'}", f"sqlite:{self.scratch / 'fresh.sqlite'}")
        self.row("SQLite", "size", f"{sum(file.stat().st_size for file in home.glob('catalog.sqlite*')) / 1e6:.0f} MB")
        shutil.rmtree(home)

    def row(self, *cells):
        self.rows.append(cells)
        print("| " + " | ".join(cells) + " |", flush=True)

    def make_data(self):
        if not (self.data / "questions.ndjson").exists():
            print(f"making {self.args.items} items in {self.data}", file=sys.stderr)
            command = [sys.executable, generator.__file__, "--items", str(self.args.items), "--out", str(self.data)]
            subprocess.run(command, check=True)

    def measure_postgres(self, postgres):
        fresh = f"{postgres.schema}_fresh"
        postgres.run(f"CREATE SCHEMA {postgres.schema}")
        postgres.run(f"CREATE SCHEMA {fresh}")
        schema_url = lambda schema: f"{postgres.url}&options[search_path]={schema},public"  # noqa: E731
        try:
            self.measure_ours("PostgreSQL", self.scratch / "postgres", schema_url(postgres.schema), schema_url(fresh),
                              prepare=lambda: postgres.run("ANALYZE"))
            size = postgres.run("SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' "
                                f"AND relnamespace = '{postgres.schema}'::regnamespace")
            self.row("PostgreSQL", "size", f"{int(size) / 1e6:.0f} MB")
        finally:
            # Before pgSTAC comes: a million items take room.
            postgres.run(f"DROP SCHEMA {fresh} CASCADE")
            postgres.run(f"DROP SCHEMA {postgres.schema} CASCADE")
        self.measure_pgstac(postgres)

    def measure_ours(self, name, home, url, fresh_url, prepare=lambda: None):
        home.mkdir(parents=True)
        (home / "swath.toml").write_text(f'catalog = "{url}"\n')
        swath = [str(SWATH), "--home", str(home)]
        measure([*swath, "collections", "add", str(self.data / "collection.json")])
        load = [*swath, "items", "import", str(self.data / "items.ndjson"), "--collection", generator.COLLECTION]
        self.report_load(name, measure(load))
        prepare()
        if EXAMPLE.exists():
            count = min(self.args.items, IN_PROCESS_ITEMS_MAX)
            self.in_process(name, [str(EXAMPLE), fresh_url, str(self.data), "register", str(count)])
            self.in_process(name, [str(EXAMPLE), url, str(self.data), "search"])
        else:
            print(f"absent: {EXAMPLE} (bench/catalog.sh builds it): nothing is measured in process", file=sys.stderr)
        serve = [*swath, "serve", "--port", "0"]
        with running(serve, self.scratch / f"{name}.log", pattern=r"listening on (http://\S+)") as served:
            self.measure_http(name, served)

    def in_process(self, name, command):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        for line in done.stdout.splitlines():
            job, figure = line.split(" ", 1)
            self.row(name, f"in process: {job}", figure)

    def measure_http(self, name, url):
        self.served[name] = ask_all(url, self.questions)
        for kind, (cold, warm, size) in self.served[name].items():
            self.row(name, f"over HTTP: {NAMES[kind]}", f"cold p50 {cold[0]:.1f} ms, p95 {cold[1]:.1f} ms; "
                     f"warm p50 {warm[0]:.1f} ms, p95 {warm[1]:.1f} ms; {size:.0f} kB an answer")
        self.ids[name] = found_ids(url, self.compared)
        self.compare(name)

    def report_load(self, name, measured):
        cpu, wall, memory = measured
        self.served.setdefault("load", {})[name] = self.args.items / wall
        self.row(name, "register (command line)", f"{self.args.items / wall:.0f} items/s, {cpu:.0f} CPU s of the program, {memory:.0f} MB")

    def measure_pgstac(self, postgres):
        pypgstac, uvicorn = VENV / "bin/pypgstac", VENV / "bin/uvicorn"
        if not (pypgstac.exists() and uvicorn.exists()):
            return print("absent: pgSTAC (scripts/setup.sh bench): our own figures alone", file=sys.stderr)
        environment = postgres.environment
        postgres.run(f"CREATE DATABASE {postgres.database}")
        measure([str(pypgstac), "migrate"], environment)
        measure([str(pypgstac), "load", "collections", str(self.data / "collection.json")], environment)
        postgres.run(f"UPDATE pgstac.collections SET partition_trunc = '{self.args.partition}'", own_database=True)
        self.report_load("pgSTAC", measure([str(pypgstac), "load", "items", str(self.data / "items.ndjson")], environment))
        postgres.run("ANALYZE", own_database=True)
        size = postgres.run(f"SELECT pg_database_size('{postgres.database}')")
        self.row("pgSTAC", "size", f"{int(size) / 1e6:.0f} MB")
        with socket_free() as port:
            url = f"http://127.0.0.1:{port}"
        command = [uvicorn, "stac_fastapi.pgstac.app:create_app", "--factory", "--port", port, "--no-access-log",
                   "--log-level", "warning"]
        # The host becomes part of a URL there, and may be the folder of a socket.
        environment = environment | {"PGHOST": urllib.parse.quote(postgres.host, safe="")}
        with running(command, self.scratch / "pgstac.log", env=environment, ready=url):
            self.measure_http("pgSTAC", url)

    def compare(self, name):
        """Says where a server finds other items than the first one."""
        first, ids = next(iter(self.ids)), self.ids[name]
        if first == name:
            return
        same = different = left_out = 0
        for question, ours, theirs in zip(self.compared, self.ids[first], ids, strict=True):
            if max(len(ours), len(theirs)) >= COMPARED_ITEMS_MAX:
                left_out += 1
            elif ours == theirs:
                same += 1
            else:
                different += 1
                print(f"different: {json.dumps(question['body'])}: only {first}: {sorted(ours - theirs)[:3]}; "
                      f"only {name}: {sorted(theirs - ours)[:3]}", file=sys.stderr)
        count = sum(map(len, ids))
        self.row(name, f"ids found against {first}", f"{same} of {len(ids)} questions the same ({count} items), {different} different, "
                 f"{left_out} with {COMPARED_ITEMS_MAX} or more not compared")

    def print_ratios(self):
        load = self.served.pop("load")
        if "pgSTAC" not in self.served:
            return
        print("\n| job | ours | pgSTAC | pgSTAC / ours | goal |\n|---|---|---|---|---|")
        for name in (name for name in ("SQLite", "PostgreSQL") if name in self.served):
            for kind, words in NAMES.items():
                ours, theirs = self.served[name][kind][1], self.served["pgSTAC"][kind][1]
                goal = "p95 <= 20 ms (1 M items)" if kind == "tile" else "-"
                print(f"| {self.args.items} items, {name}, {words}, warm p95 | {ours[1]:.1f} ms | {theirs[1]:.1f} ms | {theirs[1] / ours[1]:.1f} x | {goal} |")
            print(f"| {self.args.items} items, {name}, register | {load[name]:.0f} items/s | {load['pgSTAC']:.0f} items/s "
                  f"| ours / pgSTAC {load[name] / load['pgSTAC']:.2f} x | - |")


@contextmanager
def socket_free():
    """Yields a port that is free."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--data", type=Path, default=ROOT / "target/bench-data")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--only-sqlite", action="store_true", help="leave PostgreSQL and pgSTAC out")
    only.add_argument("--only-postgres", action="store_true", help="leave SQLite out")
    parser.add_argument("--partition", choices=("year", "month"), default="month", help="how pgSTAC cuts its table")
    bench = Bench(parser.parse_args())
    try:
        bench.run()
    finally:
        shutil.rmtree(bench.scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
