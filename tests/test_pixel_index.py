"""An index per pixel in the extract table, against numpy and exactextract."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
from exactextract import exact_extract

from compare import STATISTICS, assert_close
from conftest import Swath

COLLECTION = "sentinel-2-l2a"
SEASON = ["--start", "2021-05-01", "--end", "2021-05-21"]
DROPPED = (0, 3, 8, 9, 10)
SHARE_MIN = "min_coverage_frac=1e-6"
OPERATIONS = [f"{name}({SHARE_MIN})" for name in ("count", "mean", "stdev", "min", "max")] + [
    f"quantile(q={share},{SHARE_MIN})" for share in (0.25, 0.5, 0.75)
]


@pytest.fixture(scope="module")
def table(binary, tmp_path_factory):
    """A landscape, and the rows of its table with NDVI per pixel, in a data home that no other test fills."""
    folder = tmp_path_factory.mktemp("index")
    swath = Swath(binary, folder)
    land = folder / "land"
    swath("simulate", "--out", land, "--parcels", "25", "--seed", "5", *SEASON)
    scenes = land / "scenes" / COLLECTION
    swath("items", "import", scenes, "--collection", COLLECTION, "--collection-file", scenes / "collection.json")
    outcome = swath(
        "extract", "--collection", COLLECTION, "--parcels", land / "parcels.parquet", "--bands", "B04",
        "--mask-scl", ",".join(map(str, DROPPED)), "--index", "NDVI=(B08-B04)/(B08+B04)", "--index", "EVI2",
        "--table", folder / "table", "--json",
    )  # fmt: skip
    assert outcome.json()["failed"] == []
    rows = pd.concat(pd.read_parquet(path) for path in (folder / "table" / "data").rglob("*.parquet"))
    return swath, land, rows


def asset(item: Path, band: str) -> Path:
    found = [path for path in item.glob("*.tif") if path.stem == band or path.stem.endswith(f"_{band}")]
    assert len(found) == 1, (item, band, list(item.iterdir()))
    return found[0]


def physical(path: Path) -> np.ma.MaskedArray:
    with rasterio.open(path) as raster:
        return raster.read(1, masked=True).astype(float) * raster.scales[0] + raster.offsets[0]


def classes_at(path: Path, like: rasterio.DatasetReader) -> np.ndarray:
    """The class that contains the centre of each pixel of another raster."""
    with rasterio.open(path) as raster:
        values = raster.read(1)
        rows, cols = np.mgrid[0 : like.height, 0 : like.width] + 0.5
        x, y = like.transform * (cols, rows)
        col, row = ~raster.transform * (x, y)
        return values[row.astype(int), col.astype(int)]


def test_an_index_is_averaged_over_pixels(table, tmp_path):
    _, land, rows = table
    parcels = geopandas.read_parquet(land / "parcels.parquet")
    assert set(rows["band"]) == {"B04", "NDVI", "EVI2"}
    compared, drifted = 0, 0
    for item_id, ours in rows[rows["band"] == "NDVI"].groupby("item_id"):
        item = next(path for path in (land / "scenes" / COLLECTION).iterdir() if path.name == item_id)
        red, near = physical(asset(item, "B04")), physical(asset(item, "B08"))
        with rasterio.open(asset(item, "B04")) as like:
            profile = like.profile | {"dtype": "float32", "nodata": float("nan"), "count": 1}
            is_dropped = np.isin(classes_at(asset(item, "SCL"), like), DROPPED)
        with np.errstate(invalid="ignore", divide="ignore"):
            ndvi = ((near - red) / (near + red)).filled(np.nan)
        ndvi[is_dropped | ~np.isfinite(ndvi)] = np.nan
        image = tmp_path / f"{item_id}.tif"
        for unwanted in ("photometric", "blockxsize", "blockysize", "tiled", "interleave", "compress", "predictor"):
            profile.pop(unwanted, None)
        with rasterio.open(image, "w", **profile) as raster:
            raster.write(ndvi.astype("float32"), 1)
        there = parcels.to_crs(profile["crs"])
        theirs = exact_extract(
            str(image), there, OPERATIONS, include_cols=["parcel_id"], output="pandas",
            strategy="raster-sequential",
        )  # fmt: skip
        theirs.columns = ["parcel_id", *STATISTICS]
        theirs["parcel_id"] = theirs["parcel_id"].astype(str)
        both = ours.merge(theirs, on="parcel_id", suffixes=("", "_theirs"))
        assert len(both) == len(ours) == len(parcels)
        clear = both[both["count"] > 0]
        assert_close(both["count"], both["count_theirs"], 1.0, 1e-6, "count")
        for statistic in STATISTICS[1:]:
            assert_close(clear[statistic], clear[f"{statistic}_theirs"], 1.0, 1e-6, statistic, list(clear["parcel_id"]))
        compared += len(clear)
        drifted += int((np.abs(clear["stdev"]) > 0.01).sum())
    assert compared > 0 and drifted > 0


def test_the_series_shows_it_like_a_band(table):
    swath, _, rows = table
    assert (rows.groupby(["item_id", "parcel_id"])["band"].nunique() == 3).all()
    valid = rows[(rows["band"] == "EVI2") & (rows["count"] > 0)]
    assert valid["mean"].between(-1, 2).all() and len(valid) > 0
