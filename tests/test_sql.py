"""`swath sql` beside DuckDB over the same files. Needs a program with the feature `sql`: `make test-sql`."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow
import pyarrow.parquet
import pytest
from deltalake import DeltaTable

from conftest import Swath

SET = "fields"
S2, S1 = "sentinel-2-l2a", "s1-card-bs"
PARCELS = 16
SEEN = "2021-04-20/2021-07-20"
MAKING_S = 600
TOLERANCE = 1e-9
# Names in the queries below: {s2}, {s1}, {classes} and {parcels} stand for the tables on either side.
QUERIES = {
    "counts": "SELECT band, count(*) AS n, count(mean) AS clear FROM {s2} GROUP BY band ORDER BY band",
    "five_day_means": """
        SELECT parcel_id, {bin} AS bin, sum(mean * count) / sum(count) AS mean, sum(count) AS pixels
        FROM {s2} WHERE band = 'B08' AND count > 0 GROUP BY 1, 2 ORDER BY 1, 2""",
    "ndvi": """
        SELECT r.parcel_id, r.datetime, (n.mean - r.mean) / (n.mean + r.mean) AS ndvi
        FROM {s2} r JOIN {s2} n ON r.parcel = n.parcel AND r.item_id = n.item_id
        WHERE r.band = 'B04' AND n.band = 'B08' AND r.clear > 0.8 ORDER BY 1, 2""",
    "crops": """
        SELECT p.crop_code, e.month, count(DISTINCT p.id) AS parcels, avg(e.mean) AS mean,
            stddev_pop(e.mean) AS deviation
        FROM {s2} e JOIN {parcels} p ON p.id = e.parcel_id WHERE e.band = 'B08' GROUP BY 1, 2 ORDER BY 1, 2""",
    "fall": """
        SELECT parcel_id, datetime, mean - lag(mean) OVER (PARTITION BY parcel ORDER BY datetime) AS fall
        FROM {s2} WHERE band = 'B08' AND clear > 0.5 ORDER BY 1, 2""",
    "rank": """
        SELECT parcel_id, mean, position FROM (
            SELECT parcel_id, mean, row_number() OVER (PARTITION BY month ORDER BY mean DESC, parcel) AS position, month
            FROM {s2} WHERE band = 'B08' AND count > 0) ranked WHERE position <= 3 ORDER BY month, position""",
    "percentiles": """
        SELECT month, median(mean) AS p50, {p95} AS p95, min(mean) AS low, max(mean) AS high
        FROM {s2} WHERE band = 'B04' GROUP BY month ORDER BY month""",
    "orbits": """
        SELECT orbit_state, relative_orbit, band, count(*) AS n, 10 * log10(avg(mean)) AS db
        FROM {s1} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
    "classes": """
        SELECT class, sum(count) AS pixels, count(DISTINCT item_id) AS images FROM {classes} GROUP BY class ORDER BY class""",
    "cloudless": """
        WITH seen AS (SELECT parcel, count(*) AS images FROM {s2} WHERE band = 'B04' AND clear = 1 GROUP BY parcel)
        SELECT p.id, coalesce(s.images, 0) AS images FROM {parcels} p
        LEFT JOIN seen s ON s.parcel = p.parcel ORDER BY images, p.id""",
    "pruned": """
        SELECT item_id, band, mean FROM {s2}
        WHERE month = '2021-06' AND parcel BETWEEN 3 AND 5 AND datetime >= TIMESTAMPTZ '2021-06-10T00:00:00Z'
        ORDER BY parcel, band, datetime""",
    "both_sensors": """
        SELECT a.parcel_id, a.month, a.ndvi, b.vv FROM
        (SELECT parcel_id, month, avg(mean) AS ndvi FROM {s2} WHERE band = 'B08' GROUP BY 1, 2) a FULL JOIN
        (SELECT parcel_id, month, avg(mean) AS vv FROM {s1} WHERE band = 'VV' GROUP BY 1, 2) b
        ON a.parcel_id = b.parcel_id AND a.month = b.month ORDER BY 1, 2""",
}
OURS = {
    "s2": f'"{S2}".{SET}',
    "s1": f'"{S1}".{SET}',
    "classes": f'"{S2}"."{SET}/classes"',
    "parcels": f"parcels.{SET}",
    "bin": "date_bin(INTERVAL '5 days', datetime, TIMESTAMP '2021-01-01T00:00:00Z')",
    "p95": "percentile_cont(0.95) WITHIN GROUP (ORDER BY CAST(mean AS DOUBLE))",
}
THEIRS = {
    "s2": "s2",
    "s1": "s1",
    "classes": "classes",
    "parcels": "parcels",
    "bin": "time_bucket(INTERVAL '5 days', datetime, TIMESTAMPTZ '2021-01-01T00:00:00Z')",
    "p95": "quantile_cont(CAST(mean AS DOUBLE), 0.95)",
}


@dataclass
class Season:
    """A home whose S1 table is compacted and whose S2 table is as it was committed."""

    swath: Swath

    def files(self, collection: str, kind: str = "") -> list[str]:
        """The files of the newest snapshot of a table."""
        (root,) = (self.swath.home / "tables" / collection / f"{SET}@1").iterdir()
        return DeltaTable(str(root / kind)).file_uris()

    def duckdb(self, query: str) -> list[tuple]:
        """The rows of a query of DuckDB over the same files."""
        tables = {"s2": self.files(S2), "s1": self.files(S1), "classes": self.files(S2, "classes")}
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for name, files in tables.items():
                month = "*, strftime(datetime, '%Y-%m') AS month"
                connection.read_parquet(files).project(month).create(name)
            declared = str(self.swath.home / "parcels" / SET / "1.parquet")
            columns = "*, file_row_number AS parcel"
            connection.execute(
                f"CREATE TABLE parcels AS SELECT {columns} FROM read_parquet('{declared}', file_row_number = true)"
            )
            return rows_of(connection.sql(query.format(**THEIRS)).to_arrow_table())

    def ours(self, query: str, *options: object) -> list[tuple]:
        """The rows of a query of ours, by way of Parquet."""
        output = self.swath.home / "answer.parquet"
        self.swath("sql", query.format(**OURS), "-o", output, *options)
        return rows_of(pyarrow.parquet.read_table(output))


def rows_of(table: pyarrow.Table) -> list[tuple]:
    """The rows of a table."""
    return list(zip(*(column.to_pylist() for column in table.columns)))


def alike(ours: object, theirs: object, tolerance: float) -> bool:
    """Whether two values are the same, numbers up to rounding in the last places."""
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=1e-12)
    return ours == theirs


def assert_same(ours: list[tuple], theirs: list[tuple], tolerance: float = TOLERANCE) -> None:
    """Compares row by row."""
    assert len(ours) == len(theirs)
    assert theirs, "a question without an answer shows nothing"
    for mine, other in zip(ours, theirs):
        assert len(mine) == len(other)
        assert all(alike(*pair, tolerance) for pair in zip(mine, other)), (mine, other)


@pytest.fixture(scope="module")
def season(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Season:
    swath = Swath(binary, tmp_path_factory.mktemp("sql"))
    if "built without sql" in swath.run("sql", "SELECT 1").stderr:
        pytest.skip("this program has no feature sql: make test-sql")
    landscape = swath.home / "archive" / "landscape"
    swath("simulate", "--out", landscape, "--parcels", PARCELS, "--seed", 7, timeout_s=MAKING_S)
    for collection in (S2, S1):
        scenes = landscape / "scenes" / collection
        swath("items", "import", scenes, "--collection", collection, "--collection-file", scenes / "collection.json")
    swath(
        "parcels", "import", landscape / "parcels.parquet", "--name", SET, "--id", "parcel_id", "--crop", "crop",
        "--personal", "area_ha",
    )  # fmt: skip
    bands = ["--bands", "B04,B08", "--classes", "SCL", "--mask-scl"]
    swath("extract", "--collection", S2, "--parcels", SET, "--datetime", SEEN, *bands, timeout_s=MAKING_S)
    swath("extract", "--collection", S1, "--parcels", SET, "--datetime", SEEN, timeout_s=MAKING_S)
    swath("table", "compact", S1)
    return Season(swath)


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_answers_as_duckdb(season: Season, name: str) -> None:
    # DataFusion counts the place of a percentile between two values in millionths.
    tolerance = 1e-6 if name == "percentiles" else TOLERANCE
    assert_same(season.ours(QUERIES[name]), season.duckdb(QUERIES[name]), tolerance)


def test_formats_hold_the_same_rows(season: Season) -> None:
    query = "SELECT parcel_id, datetime, mean, count FROM {s2} WHERE band = 'B08' ORDER BY parcel, datetime"
    rows = season.ours(query)
    words = ["sql", query.format(**OURS), "--format"]
    listed = json.loads(season.swath(*words, "json", "--limit-rows", len(rows)).stdout)
    assert [row["parcel_id"] for row in listed] == [row[0] for row in rows]
    texts = list(csv.reader(io.StringIO(season.swath(*words, "csv").stdout)))
    assert texts[0] == ["parcel_id", "datetime", "mean", "count"]
    assert len(texts) == len(rows) + 1
    assert texts[1][1].endswith("Z")
    output = season.swath.home / "answer.arrow"
    season.swath("sql", query.format(**OURS), "-o", output)
    with pyarrow.ipc.open_stream(output) as stream:
        table = stream.read_all()
    assert table["mean"].to_pylist() == [row[2] for row in rows]


def test_the_answer_stays_while_the_table_is_compacted(season: Season) -> None:
    before = season.ours(QUERIES["five_day_means"])
    compaction = season.swath.start("table", "compact", S2)
    answers = [season.ours(QUERIES["five_day_means"])]
    while compaction.poll() is None:
        answers.append(season.ours(QUERIES["five_day_means"]))
    assert compaction.returncode == 0
    answers.append(season.ours(QUERIES["five_day_means"]))
    assert len(season.files(S2)) < 10
    for answer in answers:
        assert_same(answer, before)


def test_what_does_not_fit_into_memory_goes_to_files(season: Season) -> None:
    # Hundreds of thousands of rows of some 60 bytes, sorted in 16 MB.
    many = f"SELECT e.item_id, e.mean, n.value FROM {OURS['s2']} e CROSS JOIN generate_series(1, 400) AS n(value)"
    placed = f"SELECT row_number() OVER (ORDER BY mean, value, item_id) AS position FROM ({many})"
    ((count, last),) = season.ours(f"SELECT count(*) AS n, max(position) AS last FROM ({placed})", "--memory", "16")
    assert count == last == 400 * season.ours("SELECT count(*) AS n FROM {s2}")[0][0]


def test_a_long_answer_leaves_as_it_comes(season: Season) -> None:
    query = f"SELECT e.*, n.value FROM {OURS['s2']} e CROSS JOIN generate_series(1, 1000000) AS n(value)"
    words = season.swath.command("sql", query, "--format", "csv", "--memory", "64")
    process = subprocess.Popen(words, env=season.swath.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = [process.stdout.readline() for _ in range(10_000)]
    assert lines[0].startswith(b"parcel,parcel_id,datetime")
    peak = Path(f"/proc/{process.pid}/status")
    if peak.exists():
        high = next(line for line in peak.read_text().splitlines() if line.startswith("VmHWM"))
        assert int(high.split()[1]) < 400_000, high
    # Whoever reads has seen enough: that is no error.
    process.stdout.close()
    assert process.wait(timeout=60) == 0, process.stderr.read()


def test_personal_columns_are_there_only_where_named(season: Season) -> None:
    query = "SELECT id, area_ha FROM {parcels} ORDER BY id"
    refused = season.swath.run("sql", query.format(**OURS))
    assert refused.code == 2
    assert "--personal area_ha" in refused.stderr
    assert len(season.ours(query, "--personal", "area_ha")) == PARCELS
    assert "area_ha" not in season.swath("sql", "--tables").stdout
