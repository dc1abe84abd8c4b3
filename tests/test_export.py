"""The export of a table as GeoPackage: GDAL, geopandas and the standard's own words on it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from deltalake import DeltaTable

from season import COLLECTIONS, PARCELS, SET

OPTICAL = COLLECTIONS[0]
BANDS = ("B04", "B08")


def export(season, path: Path, *options) -> Path:
    season.swath("table", "export", f"{OPTICAL}/{SET}@1", "--bands", ",".join(BANDS), "-o", path, *options)
    return path


@pytest.fixture(scope="module")
def package(season, tmp_path_factory) -> Path:
    return export(season, tmp_path_factory.mktemp("export") / "season.gpkg")


def test_geopandas_reads_the_same_of_both_formats(season, package):
    own = geopandas.read_file(package)
    parquet = geopandas.read_parquet(export(season, package.with_suffix(".parquet")))
    assert len(own) == PARCELS
    assert own.crs.to_epsg() == parquet.crs.to_epsg() is not None
    # A layer has one type: single polygons among those of many parts become such.
    assert own.geom_type.nunique() == 1
    assert own.geometry.geom_equals(parquet.geometry).all()
    names = [name for name in parquet.columns if name not in ("bbox", "geometry")]
    assert list(own.columns.drop("geometry")) == names
    for name in names:
        is_number = pd.api.types.is_numeric_dtype(parquet[name])
        assert pd.api.types.is_numeric_dtype(own[name]) == is_number, name
        if is_number:
            np.testing.assert_array_equal(own[name].astype(float), parquet[name].astype(float))
        else:
            mine, theirs = (frame[name].astype(object).where(frame[name].notna(), "") for frame in (own, parquet))
            assert mine.tolist() == theirs.tolist(), name


def test_values_are_the_means_of_the_table(season, package):
    """Each month's mean weighted by count, computed from the rows that deltalake reads."""
    own = geopandas.read_file(package).set_index("id")
    wanted = ["parcel_id", "band", "datetime", "count", "mean"]
    rows = DeltaTable(str(season.table(OPTICAL))).to_pyarrow_table(columns=wanted).to_pandas()
    rows = rows[rows["band"].isin(BANDS) & (rows["count"] > 0)].astype({"count": float, "mean": float})
    rows["column"] = rows["band"].astype(str) + rows["datetime"].dt.strftime("_%Y%m01")
    rows["sum"] = rows["count"] * rows["mean"]
    sums = rows.groupby(["parcel_id", "column"], observed=True)[["sum", "count"]].sum()
    assert len(sums)
    for (parcel, column), row in sums.iterrows():
        assert own.loc[parcel, column] == pytest.approx(row["sum"] / row["count"], rel=1e-6), (parcel, column)
    values = own[[name for name in own.columns if name.split("_")[0] in BANDS]]
    assert values.notna().sum().sum() == len(sums)


def test_gdal_finds_layer_types_and_index(package):
    info = pyogrio.read_info(package)
    assert (info["features"], info["layer_name"]) == (PARCELS, SET)
    assert info["geometry_type"] in ("Polygon", "MultiPolygon")
    assert info["fid_column"] == "fid"
    assert info["geometry_name"] == "geometry"
    types = dict(zip(info["fields"], info["dtypes"], strict=True))
    assert types["id"] in ("object", "str")
    assert types["area_m2"] == "float64"
    west, south, east, north = info["total_bounds"]
    half = (west, south, (west + east) / 2, north)
    inside = pyogrio.read_dataframe(package, bbox=half)
    everything = geopandas.read_file(package)
    box = shapely.box(*half)
    # GDAL without GEOS compares envelopes.
    least, most = (everything[shapes.intersects(box)] for shapes in (everything.geometry, everything.envelope))
    assert set(least["id"]) <= set(inside["id"]) <= set(most["id"])
    assert 0 < len(inside) < PARCELS


def test_the_file_is_what_the_standard_asks(package):
    with sqlite3.connect(f"file:{package}?mode=ro", uri=True) as connection:
        one = lambda sql: connection.execute(sql).fetchone()  # noqa: E731
        assert one("PRAGMA application_id") == (0x47504B47,)
        assert one("PRAGMA user_version") == (10300,)
        assert one("PRAGMA integrity_check") == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        known = {row[0] for row in connection.execute("SELECT srs_id FROM gpkg_spatial_ref_sys")}
        assert {-1, 0, 4326} < known
        assert one(f"SELECT count(*) FROM rtree_{SET}_geometry") == (PARCELS,)
        extensions = {row[0] for row in connection.execute("SELECT extension_name FROM gpkg_extensions")}
        assert extensions == {"gpkg_rtree_index", "gpkg_crs_wkt"}
        for (blob,) in connection.execute(f"SELECT geometry FROM {SET}"):
            geometry = shapely.from_wkb(blob[40:])
            envelope = np.frombuffer(blob[8:40], "<f8")[[0, 2, 1, 3]]
            assert tuple(envelope) == geometry.bounds


def test_another_program_may_edit_it(package, tmp_path):
    """The triggers of the index hold: what GDAL adds and removes is found by place."""
    path = tmp_path / "edited.gpkg"
    path.write_bytes(package.read_bytes())
    far = geopandas.read_file(path).iloc[:1].assign(id="far")
    far["geometry"] = far.geometry.translate(1e5, 1e5)
    pyogrio.write_dataframe(far, path, layer=SET, append=True)
    assert pyogrio.read_dataframe(path, bbox=tuple(far.total_bounds))["id"].tolist() == ["far"]
    assert pyogrio.read_info(path)["features"] == PARCELS + 1

