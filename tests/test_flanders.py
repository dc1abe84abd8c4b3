"""The real Flanders season: 395 dated rasters and 16 parcels against exactextract and rasterstats."""

from __future__ import annotations

import os
import shutil
import signal
import time

import numpy as np
import pandas as pd
import pytest
import rasterio

from compare import STATISTICS, assert_close, assert_same_bits, read_table

FOLDERS = ["s1_20m", "s2_10m", "s2_20m"]
ROWS = 25_856


@pytest.fixture(scope="module")
def season(data):
    return data / "timeseries-chips" / "flanders-2018-patchA"


@pytest.fixture(scope="module")
def pixel_max(season) -> pd.DataFrame:
    """Largest absolute pixel of every raster and band, stored (raw) and after scale (scaled)."""
    rows = []
    for folder in FOLDERS:
        for path in sorted((season / folder).glob("*.tif")):
            with rasterio.open(path) as raster:
                bands = raster.read(masked=True)
                for index, name in enumerate(raster.descriptions):
                    raw = float(np.abs(bands[index].astype(float)).max()) if bands[index].count() else 0.0
                    rows.append((path.stem, name, raw, raw * abs(raster.scales[index])))
    return pd.DataFrame(rows, columns=["item_id", "band", "raw", "scaled"])


def extract(swath, season, output, *options):
    items = [season / folder for folder in FOLDERS]
    parcels = season / "parcels_from_labels.gpkg"
    return swath("extract", "--items", *items, "--parcels", parcels, "-o", output, "--json", *options).json()


@pytest.fixture(scope="module")
def table(swath_session, season, tmp_path_factory):
    output = tmp_path_factory.mktemp("flanders") / "season.parquet"
    report = extract(swath_session, season, output)
    assert report["rows"] == ROWS
    assert report["skipped"] == []
    return read_table(output)


def test_every_row_equals_exactextract(table, season, pixel_max):
    expected = pd.read_parquet(season / "expected" / "parcel_stats_exactextract.parquet")
    assert len(expected) == ROWS
    expected["item_id"] = expected["file"].map(lambda path: os.path.basename(path).removesuffix(".tif"))
    expected["parcel_id"] = expected["parcel_id"].astype(str)
    expected = expected.rename(columns={"coverage_count": "count", "median": "p50"})
    keys = ["item_id", "parcel_id", "band"]
    both = expected.merge(table, on=keys, how="outer", suffixes=("_theirs", ""), indicator=True)
    assert (both["_merge"] == "both").all(), both[both["_merge"] != "both"][keys].head()
    both = both.merge(pixel_max, on=["item_id", "band"], how="left")
    names = both[keys].agg(" ".join, axis=1).to_numpy()
    for statistic in STATISTICS:
        theirs = both[f"{statistic}_theirs"]
        scale = 0.0 if statistic == "count" else both["scaled"].to_numpy()
        ours = both[statistic].to_numpy()
        assert_close(ours, theirs, scale, 1e-6, statistic, names)
    dates = pd.to_datetime(both["datetime_theirs"], utc=True)
    assert (dates == both["datetime"]).all()


def test_rows_are_ordered_by_time_item_parcel_and_band(table, season):
    parcels = [str(number) for number in range(1, 17)]
    bands = {}
    for folder in FOLDERS:
        path = next((season / folder).glob("*.tif"))
        with rasterio.open(path) as raster:
            bands[folder] = {name: rank for rank, name in enumerate(raster.descriptions)}
    rank = [bands[item[:6]][band] for item, band in zip(table["item_id"], table["band"])]
    order = pd.DataFrame(
        {
            "datetime": table["datetime"],
            "item_id": table["item_id"],
            "parcel": table["parcel_id"].map({name: i for i, name in enumerate(parcels)}),
            "band": rank,
        }
    )
    pd.testing.assert_frame_equal(order, order.sort_values(list(order.columns), kind="stable"))


@pytest.mark.parametrize("extension", ["csv", "json"])
def test_other_formats_hold_the_same_values(swath, season, table, tmp_path, extension):
    output = tmp_path / f"season.{extension}"
    extract(swath, season, output)
    other = read_table(output)
    other["datetime"] = pd.to_datetime(other["datetime"], utc=True).astype(table["datetime"].dtype)
    assert_same_bits(table, other)


def test_centre_rule_equals_rasterstats(swath, season, tmp_path, pixel_max):
    output = tmp_path / "centre.parquet"
    extract(swath, season, output, "--coverage", "centre", "--unscaled")
    table = read_table(output)
    expected = pd.read_csv(season / "expected" / "parcel_stats_rasterstats_pixelcentre.csv")
    expected["item_id"] = expected["file"].map(lambda path: os.path.basename(path).removesuffix(".tif"))
    expected["parcel_id"] = expected["parcel_id"].astype(str)
    expected = expected.rename(
        columns={"std": "stdev", "median": "p50", "percentile_25": "p25", "percentile_75": "p75"}
    )
    both = expected.merge(table, on=["item_id", "parcel_id", "band"], how="left", suffixes=("_theirs", ""))
    names = both[["item_id", "parcel_id", "band"]].agg(" ".join, axis=1).to_numpy()
    for statistic in STATISTICS:
        is_exact = statistic in ("count", "min", "max")
        tolerance = 0.0 if is_exact else 1e-9
        assert_close(both[statistic], both[f"{statistic}_theirs"], 0.0, tolerance, statistic, names)


@pytest.fixture(scope="module")
def long_season(season, tmp_path_factory):
    """The Sentinel-1 part many times over, so that a run can be stopped in its middle."""
    folder = tmp_path_factory.mktemp("long")
    sources = sorted((season / "s1_20m").glob("*.tif"))
    for copy in range(30):
        for source in sources:
            shutil.copyfile(source, folder / f"{source.stem}_{copy:02}.tif")
    return folder


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT], ids=["kill", "interrupt"])
def test_stopped_run_goes_on_and_ends_with_the_same_bytes(swath, season, long_season, tmp_path, stop):
    parcels = season / "parcels_from_labels.gpkg"

    def command(output):
        return ["extract", "--items", long_season, "--parcels", parcels, "-o", output, "--json", "--threads", "1"]

    whole = tmp_path / "whole.parquet"
    items = swath(*command(whole)).json()["items"]
    output = tmp_path / "stopped.parquet"
    journal = tmp_path / "stopped.parquet.partial"
    process = swath.start(*command(output))
    deadline = time.monotonic() + 60
    while process.poll() is None and not (journal.exists() and journal.stat().st_size > 50_000):
        assert time.monotonic() < deadline
        os.sched_yield()
    process.send_signal(stop)
    process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if stop == signal.SIGKILL else 130), "the run was over too soon"
    assert not output.exists(), "a stopped run leaves no output"
    report = swath(*command(output)).json()
    assert 0 < report["resumed"] < items
    assert output.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "stopped.parquet", "whole.parquet"]


def test_journal_of_another_command_is_not_believed(swath, season, long_season, tmp_path):
    parcels = season / "parcels_from_labels.gpkg"
    output = tmp_path / "out.parquet"
    journal = tmp_path / "out.parquet.partial"
    process = swath.start("extract", "--items", long_season, "--parcels", parcels, "-o", output, "--threads", "1")
    deadline = time.monotonic() + 60
    while process.poll() is None and not (journal.exists() and journal.stat().st_size > 50_000):
        assert time.monotonic() < deadline
        os.sched_yield()
    process.kill()
    process.communicate()
    assert journal.exists()
    report = extract(swath, season, output, "--coverage", "centre")
    assert report["resumed"] == 0
    direct = tmp_path / "direct.parquet"
    extract(swath, season, direct, "--coverage", "centre")
    assert_same_bits(read_table(output), read_table(direct))


def test_damaged_journal_costs_only_work(swath, season, tmp_path):
    parcels = season / "parcels_from_labels.gpkg"
    output = tmp_path / "out.parquet"
    (tmp_path / "out.parquet.partial").write_bytes(os.urandom(5000))
    swath("extract", "--items", season / "s1_20m", "--parcels", parcels, "-o", output)
    direct = tmp_path / "direct.parquet"
    swath("extract", "--items", season / "s1_20m", "--parcels", parcels, "-o", direct)
    assert output.read_bytes() == direct.read_bytes()
    assert not (tmp_path / "out.parquet.partial").exists()


def test_threads_do_not_change_a_byte(swath, season, tmp_path):
    outputs = []
    for threads in ("1", "2", "4"):
        outputs.append(tmp_path / f"{threads}.parquet")
        extract(swath, season, outputs[-1], "--threads", threads, "--no-cache")
    assert outputs[0].read_bytes() == outputs[1].read_bytes() == outputs[2].read_bytes()


def test_datetime_bounds_are_half_open(swath, season, table, tmp_path):
    times = sorted(table["datetime"].unique())
    first, last = times[3], times[9]
    output = tmp_path / "some.parquet"
    extract(swath, season, output, "--datetime", f"{first:%Y-%m-%dT%H:%M:%SZ}/{last:%Y-%m-%dT%H:%M:%SZ}")
    some = read_table(output)
    wanted = table[(table["datetime"] >= first) & (table["datetime"] < last)].reset_index(drop=True)
    assert_same_bits(some, wanted)


def test_bands_are_chosen_by_name(swath, season, table, tmp_path):
    output = tmp_path / "vv.parquet"
    parcels = season / "parcels_from_labels.gpkg"
    swath("extract", "--items", season / "s1_20m", "--parcels", parcels, "-o", output, "--bands", "VV")
    wanted = table[table["item_id"].str.startswith("s1_") & (table["band"] == "VV")].reset_index(drop=True)
    assert len(wanted)
    assert_same_bits(read_table(output), wanted)


def test_scene_classes_are_masked_pixel_by_pixel(swath, season, table, tmp_path):
    """`--mask-scl` on the 20 m files, which hold their own SCL band."""
    output = tmp_path / "clear.parquet"
    parcels = season / "parcels_from_labels.gpkg"
    outcome = swath.run("extract", "--items", season / "s2_20m", "--parcels", parcels, "-o", output, "--mask-scl")
    if outcome.code != 0:
        assert "SCL" in outcome.stderr, outcome.stderr
        return
    clear = read_table(output)
    whole = table[table["item_id"].str.startswith("s2_20m")]
    both = clear.merge(whole, on=["item_id", "parcel_id", "band"], suffixes=("", "_whole"))
    assert (both["count"] <= both["count_whole"] + 1e-9).all()
    assert (both["count"] < both["count_whole"]).any()
