"""Real declarations in their official formats: what is in them, as geopandas sees it."""

from __future__ import annotations

import geopandas
import pandas as pd
import pytest
import shapely


def summary(data) -> pd.DataFrame:
    return pd.read_csv(data / "parcels" / "expected_summary_geopandas.csv")


@pytest.mark.parametrize("row", range(14))
def test_summary_equals_geopandas(swath, data, row):
    expected = summary(data).iloc[row]
    report = swath("parcels", "check", data / expected["file"], "--json").json()
    assert report["features"] == expected["features"]
    assert report["epsg"] == int(expected["crs"])
    types = set(expected["geom"].split("|"))
    # A GeoPackage or shapefile says "Polygon or MultiPolygon" as it likes; the area does not.
    assert types <= set(report["geometry_types"]) or set(report["geometry_types"]) <= {"Polygon", "MultiPolygon"}
    assert report["area_m2"] / 1e4 == pytest.approx(expected["area_ha_epsg6933"], rel=1e-3)
    for key in ("invalid", "empty", "duplicate_ids"):
        assert isinstance(report[key], int)


def test_there_are_fourteen(data):
    assert len(summary(data)) == 14


SUFFIXES = {".gpkg", ".parquet", ".geoparquet", ".shp", ".zip", ".geojson", ".json", ".xml", ".gml", ".7z", ""}


def test_every_other_file_is_read_or_refused_by_name(swath, data):
    root = data / "parcels" / "gsaa-lpis"
    seen = 0
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.suffix.lower() not in SUFFIXES | {".001", ".csv", ".dbf", ".xlsx"}:
            continue
        outcome = swath.run("parcels", "check", path, "--json")
        seen += 1
        if outcome.code == 0:
            assert outcome.json()["features"] > 0, path
        else:
            assert outcome.code in (2, 3, 4), (path, outcome)
            assert path.name in outcome.stderr, (path, outcome.stderr)
            assert len(outcome.stderr) > len(str(path)) + 25, (path, outcome.stderr)
    assert seen >= 20


def refused(swath, path, *words):
    outcome = swath.run("parcels", "check", path, "--json")
    assert outcome.code in (2, 3), outcome
    assert outcome.stdout == ""
    text = outcome.stderr.lower()
    assert path.name.lower() in text, outcome.stderr
    assert any(word in text for word in words), outcome.stderr


@pytest.fixture
def frame():
    shapes = [shapely.box(500_000 + 100 * i, 6_000_000, 500_050 + 100 * i, 6_000_050) for i in range(5)]
    return geopandas.GeoDataFrame({"parcel_id": list("abcde")}, geometry=shapes, crs=32632)


@pytest.mark.parametrize(
    ("driver", "suffix", "word"),
    [("KML", "kml", "kml"), ("GML", "gml", "gml"), ("MapInfo File", "tab", "unknown format")],
)
def test_other_formats_are_refused_by_name(swath, frame, tmp_path, driver, suffix, word):
    path = tmp_path / f"parcels.{suffix}"
    frame.to_file(path, driver=driver)
    refused(swath, path, word)


def test_seven_zip_is_refused_by_name(swath, tmp_path):
    path = tmp_path / "parcels.7z"
    path.write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(100))
    refused(swath, path, "7z", "7-zip")


@pytest.mark.parametrize("suffix", ["gpkg", "shp", "geojson", "parquet"])
def test_formats_say_the_same(swath, frame, tmp_path, suffix):
    path = tmp_path / f"parcels.{suffix}"
    if suffix == "geojson":
        frame = frame.to_crs(4326)
    frame.to_parquet(path) if suffix == "parquet" else frame.to_file(path)
    report = swath("parcels", "check", path, "--json").json()
    expected = frame.to_crs(6933).area.sum()
    assert (report["features"], report["invalid"], report["duplicate_ids"]) == (5, 0, 0)
    assert report["epsg"] == (4326 if suffix == "geojson" else 32632)
    assert report["area_m2"] == pytest.approx(expected, rel=1e-3)


def test_faults_are_counted(swath, tmp_path):
    bow = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    good = shapely.box(20, 0, 30, 10)
    shapes = [bow, good, good, shapely.Polygon(), None]
    frame = geopandas.GeoDataFrame({"id": ["1", "2", "2", "3", "4"]}, geometry=shapes, crs=32632)
    frame.to_file(tmp_path / "faults.gpkg")
    report = swath("parcels", "check", tmp_path / "faults.gpkg", "--json").json()
    assert report["features"] == 5
    assert report["invalid"] == 1
    assert report["empty"] == 2
    assert report["duplicate_ids"] >= 1


def test_leading_zeros_and_text_ids_are_kept(swath, frame, tmp_path):
    import generate
    import numpy as np
    from compare import read_table

    raster = generate.write_raster(tmp_path / "tile.tif", np.ones((1, 64, 64), "uint8"))
    frame = geopandas.GeoDataFrame(
        {"id": ["007", "Ä-1", "a,b", 'say "x"', " pad "]},
        geometry=[shapely.box(500_010 + 50 * i, 6_299_800, 500_050 + 50 * i, 6_299_900) for i in range(5)],
        crs=32632,
    )
    frame.to_file(tmp_path / "parcels.gpkg")
    for suffix in ("parquet", "csv", "json"):
        output = tmp_path / f"out.{suffix}"
        swath("zonal", raster, "--parcels", tmp_path / "parcels.gpkg", "-o", output)
        assert read_table(output)["parcel_id"].tolist() == frame["id"].tolist()


def test_geopackage_layers_and_fids(swath, frame, tmp_path):
    path = tmp_path / "two.gpkg"
    frame.drop(columns="parcel_id").to_file(path, layer="first")
    frame.iloc[:2].to_file(path, layer="second")
    outcome = swath.run("parcels", "check", path, "--json")
    assert outcome.code == 2 or outcome.code == 3, outcome
    assert "first" in outcome.stderr and "second" in outcome.stderr
    assert swath("parcels", "check", path, "--layer", "first", "--json").json()["features"] == 5
    assert swath("parcels", "check", path, "--layer", "second", "--json").json()["features"] == 2


def test_no_id_column_names_the_columns(swath, tmp_path):
    frame = geopandas.GeoDataFrame({"crop": ["x"], "ha": [1.0]}, geometry=[shapely.box(0, 0, 1, 1)], crs=32632)
    frame.to_parquet(tmp_path / "no_id.parquet")
    import generate
    import numpy as np

    raster = generate.write_raster(tmp_path / "tile.tif", np.ones((1, 64, 64), "uint8"))
    outcome = swath.run("zonal", raster, "--parcels", tmp_path / "no_id.parquet", "-o", tmp_path / "out.csv")
    assert outcome.code in (2, 3), outcome
    assert "crop" in outcome.stderr and "--id" in outcome.stderr
    assert not (tmp_path / "out.csv").exists()
