"""The real Flanders season through archive, parcel set and extract table, against exactextract."""

from __future__ import annotations

import io
import json
import os
import subprocess
import time
from contextlib import ExitStack, contextmanager

import numpy as np
import pandas as pd
import pytest
import rasterio

import postgres
from compare import STATISTICS, assert_close
from season import duckdb_rows

FOLDERS = ("s1_20m", "s2_10m", "s2_20m")
# Rows that exactextract gives, without and of the scene classification.
ROWS, SCL_ROWS = 23_968, 1_888
SET = "flanders"
START_S = 30
# What rounding to float32 costs, relative to the largest pixel.
FLOAT32 = 2e-7


@pytest.fixture(scope="module")
def season(data):
    return data / "timeseries-chips" / "flanders-2018-patchA"


@pytest.fixture(scope="module")
def expected(season) -> pd.DataFrame:
    rows = pd.read_parquet(season / "expected" / "parcel_stats_exactextract.parquet")
    rows["item_id"] = rows["file"].map(lambda path: os.path.basename(path).removesuffix(".tif"))
    rows["parcel_id"] = rows["parcel_id"].astype(str)
    return rows.rename(columns={"coverage_count": "count", "median": "p50"})


@pytest.fixture(scope="module")
def pixel_max(season) -> pd.DataFrame:
    """Largest absolute pixel of every raster and band after scale: float32 rounds relative to it."""
    rows = []
    for path in sorted(path for folder in FOLDERS for path in (season / folder).glob("*.tif")):
        with rasterio.open(path) as raster:
            bands = np.abs(raster.read(masked=True).astype(float))
            for index, name in enumerate(raster.descriptions):
                largest = float(bands[index].max()) if bands[index].count() else 0.0
                rows.append((path.stem, name, largest * abs(raster.scales[index])))
    return pd.DataFrame(rows, columns=["item_id", "band", "pixel_max"])


def collection(folder: str, bands: list[str]) -> dict:
    """The collection of one folder: its class band, and what decibels mean here."""
    assets = {"data": {"roles": ["data"], "type": "image/tiff; application=geotiff", "bands": [{"name": b} for b in bands]}}
    for band in assets["data"]["bands"]:
        if band["name"] == "SCL":
            band["classification:classes"] = [{"value": value, "name": f"class-{value}"} for value in range(12)]
    summaries = {"swath:average": ["stored"]} if folder == "s1_20m" else {}
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": f"flanders-{folder.replace('_', '-')}",
        "description": f"The folder {folder}.",
        "license": "CC-BY-4.0",
        "extent": {"spatial": {"bbox": [[2, 50, 7, 52]]}, "temporal": {"interval": [["2017-08-01T00:00:00Z", None]]}},
        "summaries": summaries,
        "item_assets": assets,
        "links": [],
    }


@contextmanager
def s3_server(swath, folder):
    """An S3 server over a folder; yields the lines of `swath.toml` and the environment to reach it."""
    server = swath.binary.parent / "testkit-server"
    if not server.is_file():
        pytest.skip(f"skipped: {server} is not built")
    folder.mkdir()
    port_file = folder.parent / "port"
    process = subprocess.Popen([server, "--dir", folder, "--s3", "--port-file", port_file], stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + START_S
        while not port_file.exists():
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.02)
        endpoint = process.stderr.readline().split()[1]
        words = process.stderr.readline().split()
        bucket, key, secret = words[1], words[4], words[7]
        lines = [
            "[stores.archive]",
            f'prefix = "s3://{bucket}/archive"',
            f'endpoint = "{endpoint}"',
            "[stores.tables]",
            f'prefix = "s3://{bucket}/tables"',
            f'endpoint = "{endpoint}"',
        ]
        keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        yield lines, keys, {**keys, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}, f"s3://{bucket}/tables/"
    finally:
        process.terminate()
        process.wait()


class Season:
    """A data home with the season in it, and the snapshot of each table."""

    def __init__(self, swath, season, environment, delta_options, table_root):
        self.swath, self.season, self.environment = swath, season, environment
        #: How others reach the tables.
        self.delta_options, self.table_root = delta_options, table_root
        #: Roots of the tables, by folder of the season.
        self.tables: dict[str, str] = {}

    def run(self, *args):
        done = subprocess.run(
            self.swath.command(*args),
            env={**self.swath.environment(), **self.environment},
            capture_output=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{args}: exit {done.returncode}\n{done.stderr.decode()}"
        return done.stdout.decode()

    def rows(self, folder: str, kind: str = "") -> pd.DataFrame:
        """The rows of a table as a reader of Delta Lake that we did not write sees them."""
        return self.delta(folder, kind).to_pyarrow_table().to_pandas()

    def delta(self, folder: str, kind: str = ""):
        deltalake = pytest.importorskip("deltalake", reason="skipped: deltalake is not installed")
        return deltalake.DeltaTable(f"{self.tables[folder]}{kind}", storage_options=self.delta_options)


CASES = {
    "folder-sqlite": (False, False),
    "folder-postgres": (False, True),
    "s3-sqlite": (True, False),
    "s3-postgres": (True, True),
}


@pytest.fixture(scope="module", params=CASES, ids=list(CASES))
def filled(request, binary, season, tmp_path_factory):
    """The season ingested, its parcels imported, extracted and compacted."""
    from conftest import Swath

    is_s3, is_postgres = CASES[request.param]
    folder = tmp_path_factory.mktemp("season")
    swath = Swath(binary, folder / "home")
    swath.home.mkdir()
    with ExitStack() as stack:
        lines, environment, delta_options, root = [], {}, {}, f"{swath.home}/tables/"
        if is_postgres:
            name = f"swath_season_{request.param.split('-')[0]}_{os.getpid()}"
            lines.append(f'catalog = "{stack.enter_context(postgres.database(name))}"')
        if is_s3:
            stores, environment, delta_options, root = stack.enter_context(s3_server(swath, folder / "s3"))
            lines += stores
        (swath.home / "swath.toml").write_text("\n".join(lines) + "\n")
        season_home = Season(swath, season, environment, delta_options, root)
        for name in FOLDERS:
            fill(season_home, name)
        yield season_home


def fill(home: Season, name: str):
    with rasterio.open(next((home.season / name).glob("*.tif"))) as raster:
        said = collection(name, list(raster.descriptions))
    file = home.swath.home / f"{said['id']}.json"
    file.write_text(json.dumps(said))
    home.run("collections", "add", file)
    home.run("ingest", home.season / name, "--collection", said["id"], "--originals", "drop")
    if name == FOLDERS[0]:
        home.run("parcels", "import", home.season / "parcels_from_labels.gpkg", "--name", SET, "--id", "parcel_id")
    arguments = ["extract", "--collection", said["id"], "--parcels", SET, "--json"]
    report = json.loads(home.run(*arguments, "--workers", "2"))
    assert report["failed"] == [] and report["skipped"] == []
    home.tables[name] = report["table"].replace("tables:", home.table_root)
    assert json.loads(home.run(*arguments))["committed"] == 0, "the second run found something to do"
    home.run("table", "check", report["table"])
    home.run("table", "compact", report["table"])
    home.run("table", "check", report["table"])


def test_every_row_equals_exactextract(filled, expected, pixel_max):
    ours = pd.concat([filled.rows(folder) for folder in FOLDERS])
    theirs = expected[expected["band"] != "SCL"]
    ours = ours[ours["band"] != "SCL"]
    assert len(theirs) == len(ours) == ROWS
    keys = ["item_id", "parcel_id", "band"]
    both = theirs.merge(ours, on=keys, how="outer", suffixes=("_theirs", ""), indicator=True)
    assert (both["_merge"] == "both").all(), both[both["_merge"] != "both"][keys].head()
    both = both.merge(pixel_max, on=["item_id", "band"], how="left")
    names = both[keys].agg(" ".join, axis=1).to_numpy()
    for statistic in STATISTICS:
        scale = 0.0 if statistic == "count" else both["pixel_max"].to_numpy()
        theirs_32 = both[f"{statistic}_theirs"].astype(np.float32)
        assert_close(both[statistic], theirs_32, scale, 1e-6, statistic, names)
    assert (pd.to_datetime(both["datetime_theirs"], utc=True) == both["datetime"]).all()


def test_class_counts_give_the_statistics_of_the_scene_classification(filled, expected):
    ours = filled.rows("s2_20m", "/classes")
    groups = ours[ours["count"] > 0].groupby(["item_id", "parcel_id"])
    found = pd.DataFrame(
        {
            "count": groups["count"].sum(),
            "min": groups["class"].min(),
            "max": groups["class"].max(),
            "mean": groups.apply(lambda rows: np.average(rows["class"], weights=rows["count"])),
        }
    ).reset_index()
    theirs = expected[(expected["band"] == "SCL") & (expected["count"] > 0)]
    both = theirs.merge(found, on=["item_id", "parcel_id"], how="outer", suffixes=("_theirs", ""), indicator=True)
    assert (both["_merge"] == "both").all()
    for statistic in ("count", "mean", "min", "max"):
        assert_close(both[statistic], both[f"{statistic}_theirs"], 0.0, 1e-6, statistic)


def test_a_series_is_the_rows_of_its_parcel(filled):
    rows = filled.rows("s1_20m")
    wanted = rows[(rows["parcel_id"] == "7") & (rows["band"] == "VV")].sort_values("datetime")
    text = filled.run("series", "7", "--parcels", SET, "--collection", "flanders-s1-20m", "--band", "VV", "--format", "csv")
    series = pd.read_csv(io.StringIO(text))
    assert len(series) == len(wanted) > 100
    for statistic in STATISTICS:
        np.testing.assert_array_equal(series[statistic].astype(np.float32), wanted[statistic].astype(np.float32))


def test_duckdb_sees_the_same_table(filled):
    if filled.environment:
        pytest.skip("skipped: DuckDB reads the folder; the table of this case lies on S3")
    for folder in FOLDERS:
        ours = filled.rows(folder)
        query = "SELECT count(*), sum(count), min(mean), max(p75) FROM read_parquet($files)"
        (found,) = duckdb_rows(query, {"files": filled.delta(folder).file_uris()})
        assert found[0] == len(ours)
        assert found[1] == pytest.approx(ours["count"].astype(float).sum(), rel=1e-6)
        assert found[2] == pytest.approx(ours["mean"].min()) and found[3] == pytest.approx(ours["p75"].max())
