"""Answers that nobody here wrote: exactextract, rasterstats and the hard polygons of their tests."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin
from rasterstats import zonal_stats

from compare import assert_close, read_table

SAO_MIGUEL = ["eu_dem_v11", "gpw_v411_2020_count_2020", "gpw_v411_2020_density_2020"]
WKT = ["antarctica", "regression4", "regression6", "russia"]


@pytest.fixture(scope="module")
def sao_miguel(data):
    return data / "reference-numeric" / "zonal-sao-miguel"


@pytest.fixture(scope="module")
def slope(data):
    return data / "reference-numeric" / "zonal-rasterstats-slope"


@pytest.mark.parametrize("raster", SAO_MIGUEL)
def test_sao_miguel_equals_exactextract(swath, sao_miguel, tmp_path, raster):
    output = tmp_path / "out.csv"
    source = sao_miguel / f"{raster}.tif"
    swath("zonal", source, "--parcels", sao_miguel / "concelhos.gpkg", "--id", "name", "-o", output)
    ours = read_table(output)
    theirs = pd.read_csv(sao_miguel / f"expected_exactextract_{raster}.csv")
    assert ours["parcel_id"].tolist() == theirs["name"].tolist()
    with rasterio.open(source) as opened:
        pixel_max = float(np.abs(opened.read(1, masked=True)).max())
    assert_close(ours["count"], theirs["count"], 0.0, 1e-6, "count", theirs["name"])
    assert_close(ours["count"] * ours["mean"], theirs["sum"], pixel_max, 1e-6, "sum", theirs["name"])
    for column, name in {"mean": "mean", "min": "min", "max": "max", "stdev": "stdev", "p50": "median"}.items():
        assert_close(ours[column], theirs[name], pixel_max, 1e-6, column, theirs["name"])


def test_sao_miguel_class_shares(swath, sao_miguel, tmp_path):
    output = tmp_path / "out.json"
    source = sao_miguel / "clc2018_v2020_20u1.tif"
    parcels = sao_miguel / "concelhos.gpkg"
    report = swath("zonal", source, "--parcels", parcels, "--id", "name", "--classes", "1", "-o", output, "--json").json()
    classes = read_table(report["classes"])
    expected = json.loads((sao_miguel / "expected_exactextract_clc2018.json").read_text())
    assert set(classes["parcel_id"]) == {parcel["name"] for parcel in expected}
    for parcel in expected:
        ours = classes[classes["parcel_id"] == parcel["name"]].set_index("class")["count"]
        ours = ours / ours.sum()
        theirs = pd.Series(parcel["frac"], index=parcel["unique"], dtype=float)
        assert set(ours.index) == set(theirs.index), parcel["name"]
        assert (ours.sort_index() - theirs.sort_index()).abs().max() <= 1e-6, parcel["name"]
        assert ours.idxmax() == parcel["mode"]
        assert len(ours) == parcel["variety"]


@pytest.mark.parametrize("layer", ["polygons", "polygons_no_overlap", "polygons_partial_overlap"])
def test_slope_polygons_equal_rasterstats(swath, slope, tmp_path, layer):
    expected = json.loads((slope / "expected_rasterstats_0.21.json").read_text())[f"{layer}.shp|all_touched=False"]
    parcels = slope / f"{layer}.shp"
    output = tmp_path / "out.csv"
    swath("zonal", slope / "slope.tif", "--parcels", parcels, "--id", "id", "--coverage", "centre", "-o", output)
    ours = read_table(output)
    assert len(ours) == len(expected)
    theirs = pd.DataFrame(expected)
    for column, name in {"count": "count", "min": "min", "max": "max"}.items():
        assert_close(ours[column], pd.to_numeric(theirs[name]), 0.0, 0.0, column)
    for column, name in {"mean": "mean", "stdev": "std", "p50": "median"}.items():
        # The reference averages float32 pixels in float32.
        assert_close(ours[column], pd.to_numeric(theirs[name]), 0.0, 1e-6, column)
    total = (ours["count"] * ours["mean"]).fillna(np.nan)
    assert_close(total, pd.to_numeric(theirs["sum"]), 0.0, 1e-6, "sum")


def test_slope_classes_are_counted(swath, slope, tmp_path):
    expected = json.loads((slope / "expected_rasterstats_0.21.json").read_text())["slope_classes polygons categorical"]
    output = tmp_path / "out.csv"
    report = swath(
        "zonal", slope / "slope_classes.tif", "--parcels", slope / "polygons.shp", "--coverage", "centre",
        "--classes", "1", "-o", output, "--json",
    ).json()  # fmt: skip
    classes = read_table(report["classes"])
    for parcel, theirs in zip(["1", "2"], expected):
        ours = classes[classes["parcel_id"] == parcel]
        assert dict(zip(ours["class"].astype(str), ours["count"])) == {key: float(n) for key, n in theirs.items()}


def test_slope_without_data_has_nulls(swath, slope, tmp_path):
    output = tmp_path / "out.csv"
    swath("zonal", slope / "all_nodata.tif", "--parcels", slope / "polygons.shp", "-o", output)
    ours = read_table(output)
    assert ours["count"].tolist() == [0.0, 0.0]
    assert ours[["mean", "stdev", "min", "max", "p25", "p50", "p75"]].isna().all(axis=None)


@pytest.mark.parametrize("coverage", ["fraction", "centre"])
def test_radar_backscatter_with_nodata(swath, data, tmp_path, coverage):
    """The real geocoded backscatter (nodata -99) under a lattice of overlapping discs."""
    from exactextract import exact_extract

    folder = data / "sentinel1" / "rtc-geocoded"
    source = next(folder.glob("*_db.tif"))
    with rasterio.open(source) as raster:
        bounds, crs = raster.bounds, raster.crs
        pixels = raster.read(1, masked=True)
    xs = np.linspace(bounds.left - 600, bounds.right + 600, 12)
    ys = np.linspace(bounds.bottom - 600, bounds.top + 600, 11)
    discs = [shapely.Point(x, y).buffer(317.3, 9) for y in ys for x in xs]
    parcels = geopandas.GeoDataFrame({"parcel_id": range(len(discs))}, geometry=discs, crs=crs)
    parcels.to_parquet(tmp_path / "discs.parquet")
    output = tmp_path / "out.parquet"
    swath("zonal", source, "--parcels", tmp_path / "discs.parquet", "--coverage", coverage, "-o", output)
    ours = read_table(output)
    pixel_max = float(np.abs(pixels).max())
    if coverage == "fraction":
        names = ["count", "mean", "stdev", "min", "max", "quantile(q=0.25", "median", "quantile(q=0.75"]
        ops = [f"{name},min_coverage_frac=1e-6)" if "(" in name else f"{name}(min_coverage_frac=1e-6)" for name in names]
        theirs = exact_extract(str(source), parcels, ops, output="pandas")
        theirs.columns = ["count", "mean", "stdev", "min", "max", "p25", "p50", "p75"]
    else:
        stats = ["count", "mean", "std", "min", "max", "percentile_25", "median", "percentile_75"]
        theirs = pd.DataFrame(zonal_stats(parcels, str(source), stats=stats))[stats]
        theirs.columns = ["count", "mean", "stdev", "min", "max", "p25", "p50", "p75"]
    assert (theirs["count"] == 0).any() and (theirs["count"] > 0).sum() > 60
    for column in theirs:
        scale = 0.0 if column == "count" else pixel_max
        assert_close(ours[column], pd.to_numeric(theirs[column]), scale, 1e-6, column)


@pytest.mark.parametrize("name", WKT)
def test_hard_polygons_keep_their_area(swath, data, tmp_path, name):
    text = (data / "reference-numeric" / "exactextract-wkt" / f"{name}.wkt").read_text().strip().strip('"')
    geometry = shapely.from_wkt(text)
    parcels = tmp_path / "parcel.gpkg"
    geopandas.GeoDataFrame({"parcel_id": ["one"]}, geometry=[geometry], crs=4326).to_file(parcels)
    west, south, east, north = geometry.bounds
    step = 0.5 if east - west > 100 else 0.03
    west, north = np.floor(west), np.ceil(north)
    width, height = int(np.ceil((np.ceil(east) - west) / step)), int(np.ceil((north - np.floor(south)) / step))
    raster = tmp_path / "ones.tif"
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 1, "dtype": "uint8", "crs": "EPSG:4326"}
    with rasterio.open(raster, "w", transform=from_origin(west, north, step, step), **profile) as sink:
        sink.write(np.ones((height, width), "uint8"), 1)
    output = tmp_path / "out.json"
    outcome = swath("zonal", raster, "--parcels", parcels, "-o", output)
    (row,) = json.loads(output.read_text())
    area = shapely.make_valid(geometry).area
    assert row["count"] * step * step == pytest.approx(area, rel=1e-6)
    assert (row["min"], row["max"], row["stdev"]) == (1.0, 1.0, 0.0)
    if not geometry.is_valid:
        assert "repaired" in outcome.stderr
