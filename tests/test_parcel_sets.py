"""Parcel sets: real declarations imported, read by geopandas, versions that stay, points."""

from __future__ import annotations

import geopandas
import pandas as pd
import pytest
import shapely

GSAA = {
    "dk_2024_fiboa_0_2.parquet": ("id", "keep-first"),
    "be_vlg_2024_fiboa_0_2.parquet": ("id", "refuse"),
    "be_vlg/Landbouwgebruikspercelen_2023_-_Definitief_(extractie_28-03-2024)_GPKG.zip": ("REF_ID", "number"),
    "at/inspire_schlaege_2025-1_polygon.gpkg.zip": ("fid", "refuse"),
    "at_block/inspire_referenzen_2021_polygon.gpkg.zip": ("fid", "refuse"),
    "bg/bg_arable_land_2024.zip": ("PHBIDENT", "number"),
    "ch/lwb_nutzungsflaechen_v2_0_lv95.gpkg": ("t_id", "refuse"),
    "cz/bd51ec4dea8697946b9a570a6b7c9fe587e2f8334cee74778d2339da43178d38": ("ZAKRES_ID", "number"),
    "de_sh/Feldbloecke_2026_GPKG.zip": ("fid", "refuse"),
    "dk/Marker_2026.zip": ("Marknr", "number"),
    "ec_lv/LV_2021.zip": ("PARCEL_ID", "refuse"),
    "es_cat/Cultius_DUN2023_GPKG.zip": ("fid", "refuse"),
    "lt/LT_2024.zip": ("field_id", "number"),
    "nl/brpgewaspercelen_definitief_2023.gpkg": ("id", "refuse"),
}


def imported(swath, path, name, *args):
    return swath("parcels", "import", path, "--name", name, "--json", *args).json()


def read(swath, report):
    place = report["version"]["href"].removeprefix("parcels:")
    return geopandas.read_parquet(swath.home / "parcels" / place)


@pytest.mark.parametrize("file", GSAA)
def test_declarations_of_countries_are_imported(swath, data, file):
    field, duplicates = GSAA[file]
    path = data / "parcels" / "gsaa-lpis" / file
    report = imported(swath, path, "set", "--id", field, "--duplicates", duplicates)
    frame = read(swath, report)
    check = swath("parcels", "check", path, "--id", field, "--json").json()
    assert len(frame) == report["parcels"] == check["parcels"] - check["empty"] - (
        len(report["refused"]) if duplicates == "keep-first" else 0
    )
    assert frame.crs.to_epsg() == check["epsg"]
    assert frame["id"].is_unique and all(isinstance(value, str) for value in frame["id"])
    assert frame.geometry.is_valid.all()
    assert frame["area_m2"].to_numpy() == pytest.approx(frame.to_crs(6933).area.to_numpy(), rel=1e-3)
    # The same file again is the same version.
    again = imported(swath, path, "set", "--id", field, "--duplicates", duplicates)
    assert (again["is_new"], again["version"]) == (False, report["version"])
    found = swath("parcels", "check", "set", "--json").json()
    assert found["parcels"] == len(frame) and found["invalid"] == 0


@pytest.fixture
def frame():
    shapes = [shapely.box(500_000 + 100 * i, 6_000_000, 500_050 + 100 * i, 6_000_050) for i in range(6)]
    columns = {
        "code": ["007", "07", "7", "x", "y", "z"],
        "crop": [1, 2, 2, 999, 22, 1],
        "share": [0.5, None, 1.5, 2.25, -1.0, 0.1],
        "seen": pd.to_datetime(["2024-05-01T10:00:00Z"] * 6, utc=True),
        "owner": list("abcdef"),
    }
    return geopandas.GeoDataFrame(columns, geometry=shapes, crs=25832)


def test_a_changed_file_is_a_new_version_and_the_old_one_stays(swath, frame, tmp_path):
    path = tmp_path / "parcels.parquet"
    frame.to_parquet(path)
    first = imported(swath, path, "dk", "--id", "code")
    before = (swath.home / "parcels" / "dk" / "1.parquet").read_bytes()
    frame.iloc[1:].to_parquet(path)
    second = imported(swath, path, "dk", "--id", "code")
    assert [report["version"]["number"] for report in (first, second)] == [1, 2]
    assert (swath.home / "parcels" / "dk" / "1.parquet").read_bytes() == before
    assert set(read(swath, first)["id"]) - set(read(swath, second)["id"]) == {"007"}
    listed = swath("parcels", "list", "--json").json()
    assert [version["features"] for version in listed[0]["versions"]] == [6, 5]


def test_types_and_personal_columns_are_kept_apart(swath, frame, tmp_path):
    path = tmp_path / "parcels.parquet"
    frame.to_parquet(path)
    report = imported(swath, path, "dk", "--id", "code", "--crop", "crop", "--personal", "share")
    assert report["version"]["content"]["personal"] == ["share", "owner"]
    stored = read(swath, report).set_index("id").loc[frame["code"]]
    assert stored["crop"].tolist() == frame["crop"].tolist()
    assert stored["crop_code"].tolist() == [str(code) for code in frame["crop"]]
    pd.testing.assert_series_equal(stored["share"].reset_index(drop=True), frame["share"])
    assert (stored["seen"].to_numpy() == frame["seen"].to_numpy()).all()


def test_crops_are_mapped_and_the_others_counted(swath, frame, tmp_path):
    path, table = tmp_path / "parcels.gpkg", tmp_path / "hcat" / "dk_2021.csv"
    frame.to_file(path)
    table.parent.mkdir()
    table.write_text("original_code,original_name,HCAT3_name,HCAT3_code\n1,Byg,barley,3301010400\n22,Rug,rye,3301010300\n")
    (swath.home / "swath.toml").write_text(f'[parcels]\nhcat = "{table.parent}"\n')
    report = imported(swath, path, "dk", "--id", "code", "--crop", "crop", "--country", "DK")
    assert report["timezone"] == "Europe/Copenhagen"
    assert report["crops"] == {
        "declared": 6,
        "mapped": 3,
        "unmapped": [{"code": "2", "parcels": 2}, {"code": "999", "parcels": 1}],
    }
    stored = read(swath, report).set_index("id")
    assert stored.loc["y", ["crop_name", "hcat_code", "hcat_name"]].tolist() == ["Rug", "3301010300", "rye"]


@pytest.mark.parametrize("index", ["YES", "NO"])
def test_flatgeobuf_is_the_geopackage(swath, frame, tmp_path, index):
    frame.to_file(tmp_path / "a.gpkg")
    frame.to_file(tmp_path / "a.fgb", driver="FlatGeobuf", SPATIAL_INDEX=index)
    one = read(swath, imported(swath, tmp_path / "a.gpkg", "one", "--id", "code"))
    two = read(swath, imported(swath, tmp_path / "a.fgb", "two", "--id", "code"))
    shared = [column for column in two.columns if column in one.columns]
    assert {"id", "code", "crop", "share", "owner", "geometry"} <= set(shared)
    pd.testing.assert_frame_equal(pd.DataFrame(one[shared]), pd.DataFrame(two[shared]))


def test_ten_thousand_duplicates_are_one_error(swath, frame, tmp_path):
    path = tmp_path / "many.gpkg"
    pd.concat([frame] * 1_700).to_file(path)
    outcome = swath.run("parcels", "import", path, "--name", "dk", "--id", "code")
    assert outcome.code == 2
    assert "10194 of 10200 parcels" in outcome.stderr and "--duplicates" in outcome.stderr
    assert len(outcome.stderr) < 1_000


def test_points_measure_the_pixel_under_them(swath, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    numpy = pytest.importorskip("numpy")
    values = numpy.arange(100, dtype="float32").reshape(10, 10)
    raster = tmp_path / "r.tif"
    transform = rasterio.Affine(10, 0, 500_000, 0, -10, 6_000_100)
    with rasterio.open(
        raster, "w", driver="GTiff", width=10, height=10, count=1, dtype="float32", crs="EPSG:25832", transform=transform
    ) as target:
        target.write(values, 1)
    # Inside a pixel, on its left edge, on its top edge, on a corner, outside.
    places = [(500_025, 6_000_075), (500_030, 6_000_075), (500_025, 6_000_070), (500_050, 6_000_050), (499_000, 6_000_000)]
    points = geopandas.GeoDataFrame(
        {"id": [f"0{i}" for i in range(5)]}, geometry=[shapely.Point(*place) for place in places], crs=25832
    )
    path = tmp_path / "points.gpkg"
    points.to_file(path)
    report = imported(swath, path, "lucas", "--id", "id")
    assert report["version"]["content"]["has_points"] and report["parcels"] == 5
    stored = swath.home / "parcels" / "lucas" / "1.parquet"
    for source in (path, stored):
        out = tmp_path / "out.csv"
        swath("zonal", raster, "--parcels", source, "--id", "id", "-o", out)
        rows = pd.read_csv(out, dtype={"parcel_id": str}).set_index("parcel_id")
        assert rows.loc[["00", "01", "02", "03"], "mean"].tolist() == [22.0, 23.0, 32.0, 55.0]
        assert rows.loc[["00", "01", "02", "03"], "count"].tolist() == [1.0] * 4
    swath("zonal", raster, "--parcels", path, "--buffer", "20", "-o", out)
    rows = pd.read_csv(out, dtype={"parcel_id": str}).set_index("parcel_id")
    assert rows.loc["00", "count"] == pytest.approx(numpy.pi * 400 / 100, rel=1e-4)
    outcome = swath.run("zonal", raster, "--parcels", path, "--buffer", "-5", "-o", out)
    assert outcome.code == 2 and "points" in outcome.stderr


def test_findings(swath, frame, tmp_path):
    extra = geopandas.GeoDataFrame(
        {"code": ["over", "thin"], "crop": [1, 1]},
        geometry=[shapely.box(500_040, 6_000_000, 500_060, 6_000_050), shapely.box(500_000, 6_001_000, 500_300, 6_001_002)],
        crs=25832,
    )
    whole = pd.concat([frame, extra])
    whole["ha"] = [0.25, 0.25, 0.25, 0.25, 0.25, 2.5, 0.1, 0.06]
    path = tmp_path / "a.gpkg"
    whole.to_file(path)
    found = swath("parcels", "check", path, "--id", "code", "--area", "ha", "--json").json()
    assert found["overlaps"]["count"] == 1
    assert found["overlaps"]["listed"][0]["parcel_ids"] == ["007", "over"]
    assert found["overlaps"]["area_m2"] == pytest.approx(500, rel=2e-3)
    assert [sliver["parcel_id"] for sliver in found["slivers"]["listed"]] == ["thin"]
    assert "thin" in found["too_small"][0]["listed"]
    assert [area["parcel_id"] for area in found["declared"]["listed"]] == ["z"]
    assert "overlaps" in swath("parcels", "check", path, "--id", "code").stdout


def test_sets_that_are_not_there_are_named(swath, frame, tmp_path):
    path = tmp_path / "a.gpkg"
    frame.to_file(path)
    imported(swath, path, "dk", "--id", "code")
    for name in ("se", "dk@2"):
        outcome = swath.run("parcels", "check", name)
        assert outcome.code == 4, outcome
        assert "not found" in outcome.stderr
    outcome = swath.run("parcels", "import", path, "--name", "Ær", "--id", "code")
    assert outcome.code == 2 and "name of a parcel set" in outcome.stderr
