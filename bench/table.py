#!/usr/bin/env python3
"""Writes an extract table of noise, asks it, and asks Polars, DuckDB and PostgreSQL the same.

    bench/table.py --rows N [--data DIR] [--rounds N] [--postgres-rows N]

Ours is the example table_bench of `swath-extract`: 240 images of a year, two bands, as many parcels as make up the rows;
one unit of work per image, then compaction by months. Polars and DuckDB (target/bench-venv) read the very files of that table,
which are sorted by parcel, and a copy in one file as each of them writes it. PostgreSQL has a part of the rows, an
index on parcel, band and instant, and is asked over one connection.
Look-ups are times of one question in a process that has asked others; means are CPU seconds of the process, without imports.
"""
import argparse, json, os, re, statistics, subprocess, sys, tempfile, time, urllib.parse
from pathlib import Path

from bench import ROOT, measure

EXAMPLE = Path(os.environ.get("SWATH_TABLE_BENCH", ROOT / "target/release/examples/table_bench"))
PYTHON = Path(os.environ.get("SWATH_BENCH_VENV", ROOT / "target/bench-venv")) / "bin/python"
IMAGES, BANDS = 240, 2
LOOK_UPS = 200
COLUMNS = "datetime, band, mean, p50"

# Runs in the other program's own process: what it is asked, and RESULT {...} as bench.measure reads it.
CASE = """
import json, resource, sys, time
program, question, count, *files = sys.argv[1:]
def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
if program == "duckdb":
    import duckdb
    connection = duckdb.connect()
    connection.execute("set threads=2")
    table = f"read_parquet({files!r})"
    parcels = [row[0] for row in connection.execute(f"select distinct parcel from {table} using sample reservoir(200 rows) repeatable (7)").fetchall()]
    def season(parcel):
        return len(connection.execute(f"select datetime, band, mean, p50 from {table} where parcel = ? order by band, datetime", [parcel]).fetchall())
    def means():
        return connection.execute(f'''select count(*), sum(m) from (select parcel, band, time_bucket(interval 5 days, datetime, timestamptz '2018-01-01 00:00:00+00') p,
            sum(mean * count) / sum(count) m, count(*) n from {table} group by 1, 2, 3)''').fetchone()[0]
else:
    import polars
    table = polars.scan_parquet(files)
    parcels = table.select("parcel").unique().collect().to_series().sort().sample(200, seed=7).to_list()
    def season(parcel):
        return table.filter(polars.col("parcel") == parcel).select("datetime", "band", "mean", "p50").sort("band", "datetime").collect().height
    def means():
        start = polars.datetime(2018, 1, 1, time_unit="us", time_zone="UTC")
        window = ((polars.col("datetime") - start).dt.total_days() // 5).alias("window")
        mean = ((polars.col("mean") * polars.col("count")).sum() / polars.col("count").sum()).alias("m")
        groups = table.with_columns(window).group_by("parcel", "band", "window").agg(mean, polars.len())
        return groups.collect(engine="streaming").height
if question == "season":
    season(parcels[0])
    times = []
    for parcel in parcels[: int(count)]:
        begin = time.perf_counter()
        rows = season(parcel)
        times.append((time.perf_counter() - begin) * 1e3)
    times.sort()
    print(json.dumps({"p50": times[len(times) // 2], "p99": times[int(len(times) * 0.99)], "rows": rows}))
else:
    begin, wall = cpu(), time.perf_counter()
    rows = means()
    own = {"cpu": cpu() - begin, "wall": time.perf_counter() - wall, "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    print(json.dumps({"rows": rows}))
    print("RESULT " + json.dumps(own))
"""


def run(command, **kwargs):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, **kwargs).stdout


class Bench:
    def __init__(self, args):
        self.args = args
        self.parcels = max(1, args.rows // (IMAGES * BANDS))
        self.table = args.data / f"table-{args.rows}"
        self.case = args.data / "case.py"

    def ours(self, *words):
        return run([EXAMPLE, self.table, *words])

    def row(self, *cells):
        print("| " + " | ".join(cells) + " |", flush=True)

    def run(self):
        self.args.data.mkdir(parents=True, exist_ok=True)
        self.case.write_text(CASE)
        self.row("job", "ours", "other", "other / ours", "goal")
        self.row(*["---"] * 5)
        self.write()
        self.files = self.ours("files").split()
        self.size()
        self.seasons()
        self.means()
        self.image()
        self.postgres()

    def write(self):
        rates = self.args.data / f"table-{self.args.rows}.json"
        if not rates.exists():
            written = self.ours("write", self.parcels, IMAGES) + self.ours("compact")
            rates.write_text(json.dumps(dict(line.split(" ")[:2] for line in written.splitlines())))
        self.rates = json.loads(rates.read_text())

    def size(self):
        rows = self.parcels * IMAGES * BANDS
        each = sum(os.path.getsize(name) for name in self.files) / rows
        self.row(f"bytes per record, {rows} rows in {len(self.files)} files", f"{each:.2f} bytes", "", "", "<= 24")

    def seasons(self):
        lines = self.ours("season", LOOK_UPS).splitlines()
        figures = [re.match(r"season p50 (\S+) ms p99 (\S+) ms \((\d+) rows; (.*)\)", line).groups() for line in lines]
        for p50, p99, rows, columns in figures:
            self.row(f"one parcel's season, {rows} rows, warm; {columns}", f"p50 {p50} ms, p99 {p99} ms", "", "", "<= 1 ms")
        self.season_ms = float(figures[0][0])
        for program in self.programs():
            found = json.loads(run([PYTHON, self.case, program, "season", 60, *self.files]).splitlines()[-1])
            self.row(f"the same / {program}", f"{self.season_ms:.3f} ms", f"p50 {found['p50']:.2f} ms, p99 {found['p99']:.2f} ms ({found['rows']} rows)",
                     f"{found['p50'] / self.season_ms:.0f} x", "-")

    def programs(self):
        if PYTHON.exists():
            return ("polars", "duckdb")
        print(f"absent: {PYTHON} (scripts/setup.sh bench): no Polars, no DuckDB", file=sys.stderr)
        return ()

    def means(self):
        ours_command = [str(EXAMPLE), str(self.table), "means"]
        measure(ours_command)
        for program in self.programs() or (None,):
            ours, other = [], []
            for _ in range(self.args.rounds):
                ours.append(measure(ours_command)[0])
                if program:
                    other.append(measure([str(PYTHON), str(self.case), program, "means", "0", *self.files])[0])
            ours = statistics.median(ours)
            cells = ("", "")
            if program:
                cells = (f"{statistics.median(other):.2f} CPU s", f"{statistics.median(other) / ours:.1f} x")
            self.row(f"5-day means of {self.parcels * IMAGES * BANDS} rows / {program or 'alone'}", f"{ours:.2f} CPU s", *cells, ">= 3 x")

    def image(self):
        for line in self.ours("image").splitlines():
            seconds, rows = re.match(r"image (\S+) s \((\d+) rows\)", line).groups()
            self.row(f"one image of one band read back, {rows} rows", f"{float(seconds):.3f} s wall", "", "", "<= 1.5 s for 560,000 parcels")

    def postgres(self):
        done = subprocess.run([ROOT / "scripts/services/postgis.sh", "up"], capture_output=True, text=True)
        if done.returncode or not PYTHON.exists():
            return print(f"absent: PostgreSQL, or DuckDB to hand it the rows: {done.stderr.strip()}", file=sys.stderr)
        url = done.stdout.strip()
        name = f"table_bench_{os.getpid()}"
        psql = ["psql", url, "-qAt", "-c"]
        columns = "parcel integer, parcel_id text, datetime timestamptz, collection text, item_id text, band text, pass text, " \
            "relative_orbit smallint, orbit_state text, count real, clear real, mean real, stdev real, min real, max real, p25 real, p50 real, p75 real"
        with tempfile.NamedTemporaryFile(suffix=".csv", dir=self.args.data) as csv:
            query = f"copy (select * from read_parquet({self.files!r}) where parcel < (select quantile_disc(parcel, " \
                f"{min(1.0, self.args.postgres_rows / self.args.rows)}) from read_parquet({self.files!r}))) to '{csv.name}' (format csv, header false)"
            run([PYTHON, "-c", f"import duckdb; duckdb.sql({query!r})"])
            rows = int(run(["wc", "-l", csv.name]).split()[0])
            run([*psql, f"create table {name} ({columns})"])
            try:
                begin = time.perf_counter()
                with open(csv.name) as stream:
                    subprocess.run([*psql, f"copy {name} from stdin (format csv)"], stdin=stream, check=True)
                rate = rows / (time.perf_counter() - begin)
                ours = float(self.rates["write"])
                self.row(f"rows written per second / PostgreSQL COPY of {rows} rows", f"{ours:.0f}", f"{rate:.0f}", f"{ours / rate:.1f} x", ">= 20 x")
                self.row("rows compacted per second", f"{float(self.rates['compact']):.0f}", "", "", "-")
                run([*psql, f"create index on {name} (parcel, band, datetime)"])
                run([*psql, f"vacuum analyze {name}"])
                self.postgres_seasons(url, name)
            finally:
                run([*psql, f"drop table {name}"])

    def postgres_seasons(self, url, name):
        parcels = run(["psql", url, "-qAt", "-c", f"select distinct parcel from {name} limit {LOOK_UPS}"]).split()
        questions = "".join(f"select {COLUMNS} from {name} where parcel = {parcel} order by band, datetime;\n" for parcel in parcels)
        # Once to warm, once to measure; psql tells the time of each, its printing is not part of it.
        out = run(["psql", url, "-qAt", "-o", "/dev/null"], input=questions + "\\timing on\n" + questions)
        times = sorted(float(found) for found in re.findall(r"Time: (\S+) ms", out))
        if not times:
            return
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        self.row("one parcel's season / PostgreSQL", f"{self.season_ms:.3f} ms", f"p50 {p50:.3f} ms, p99 {p99:.3f} ms",
                 f"{p50 / self.season_ms:.1f} x", "-")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "swath-table-bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres-rows", type=int, default=2_000_000)
    Bench(parser.parse_args()).run()


if __name__ == "__main__":
    main()
