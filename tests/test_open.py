"""Every GeoTIFF at hand opens as rasterio opens it; the judgement of COGs is that of `rio cogeo validate`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling
from rio_cogeo.cogeo import cog_validate

import generate

#: What is refused, and words of the reason: nothing.
REFUSED: dict[str, str] = {}
#: JPEG decoders differ by a grey level.
JPEG = {
    f"{name}.tif"
    for name in (
        "S2A1C_20170703_022_Barbellino_RGB432T_10",
        "S2A2A_20170703_022_Barbellino_RGB432B_10",
        "S2A2A_20170703_022_Barbellino_RGB843B_10",
    )
}


def inventory() -> list[str]:
    shared = Path(os.environ.get("SWATH_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    table = shared / "data" / "rasters.csv"
    if not table.is_file():
        return []
    rows = pd.read_csv(table)
    return rows[rows["driver"] == "GTiff"]["path"].tolist()


def single() -> list[str]:
    return [path for path in inventory() if "flanders-2018-patchA/s" not in path]


def season() -> list[str]:
    return [path for path in inventory() if "flanders-2018-patchA/s" in path]


def same_number(ours: str | None, theirs: float | None, dtype: str) -> bool:
    if ours is None or theirs is None:
        return ours is None and theirs is None
    kind = np.dtype(dtype).type
    left, right = float(kind(float(ours))), float(kind(theirs))
    return left == right or (np.isnan(left) and np.isnan(right))


def lonlat(crs: pyproj.CRS, xs, ys):
    """Corners in metres on the ellipsoid of the CRS itself, so that no datum shift comes in between."""
    transformer = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    return transformer.transform(xs, ys)


def assert_same_crs(ours: str | None, raster):
    if raster.crs is None:
        # Ground control points have a CRS; the grid has none.
        assert ours is None or raster.gcps[1] is not None and raster.gcps[1].to_string() == ours
        return
    assert ours is not None, "no CRS"
    theirs = pyproj.CRS.from_user_input(raster.crs.to_wkt())
    mine = pyproj.CRS.from_user_input(ours)
    # A vertical part has no say about where a pixel lies.
    if theirs.is_compound:
        theirs = theirs.sub_crs_list[0]
    if mine.is_compound:
        mine = mine.sub_crs_list[0]
    if mine.to_epsg() is not None and mine.to_epsg() == theirs.to_epsg():
        return
    transform, width, height = raster.transform, raster.width, raster.height
    corners = [transform * corner for corner in [(0, 0), (width, 0), (0, height), (width, height)]]
    xs, ys = zip(*corners)
    a, b = lonlat(mine, xs, ys), lonlat(theirs, xs, ys)
    ellipsoid = theirs.get_geod() or pyproj.Geod(ellps="WGS84")
    own = mine.get_geod()
    assert own.a == pytest.approx(ellipsoid.a, abs=1e-6) and own.b == pytest.approx(ellipsoid.b, abs=1e-6)
    for lon_a, lat_a, lon_b, lat_b in zip(*a, *b):
        assert abs(lat_a - lat_b) <= 1e-8 and abs(lon_a - lon_b) <= 1e-8, (lon_a, lat_a, lon_b, lat_b)
        _, _, distance_m = ellipsoid.inv(lon_a, lat_a, lon_b, lat_b)
        assert distance_m <= 1e-3


def assert_opens_alike(swath, path):
    with rasterio.open(path) as raster:
        outcome = swath.run("info", path, "--json")
        if outcome.code != 0:
            word = REFUSED.get(Path(path).name)
            assert word, f"{path}: {outcome.stderr}"
            assert outcome.code == 3 and word in outcome.stderr, outcome.stderr
            return
        info = outcome.json()
        assert info["size"] == [raster.width, raster.height]
        assert [band["dtype"] for band in info["bands"]] == list(raster.dtypes)
        for band, nodata, dtype in zip(info["bands"], raster.nodatavals, raster.dtypes):
            assert same_number(band["nodata"], nodata, dtype), (band["nodata"], nodata)
        for band, scale, offset in zip(info["bands"], raster.scales, raster.offsets):
            assert (band["scale"] or 1.0) == scale and (band["offset"] or 0.0) == offset
        for band, description in zip(info["bands"], raster.descriptions):
            if description:
                assert band["name"] == description
        assert_same_crs(info["crs"], raster)
        if not info["has_control_points"] and raster.crs is not None:
            assert np.allclose(info["transform"], raster.transform.to_gdal(), rtol=1e-14, atol=0)
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(path) as bare:
            assert [level["size"] for level in info["overviews"]] == [
                [-(-bare.width // factor), -(-bare.height // factor)] for factor in bare.overviews(1)
            ] or len(info["overviews"]) == len(bare.overviews(1))
        blocks = raster.block_shapes[0]
        assert info["block"] == [blocks[1], blocks[0]]
        assert info["compression"].lower().replace("_", "-") == (raster.profile.get("compress") or "none").lower()
        assert info["interleave"] == raster.profile["interleave"] or raster.count == 1


def assert_same_verdict(swath, path):
    info = swath("info", path, "--json").json()
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
        is_valid, errors, warnings = cog_validate(str(path), quiet=True)
    assert info["cog"]["valid"] == is_valid, (info["cog"], errors, warnings)
    assert is_valid or info["cog"]["reasons"]


@pytest.mark.parametrize("path", single())
def test_opens_as_rasterio_does(swath, data, path):
    assert_opens_alike(swath, data / path)


@pytest.mark.parametrize("path", single())
def test_cog_verdict(swath, data, path):
    if Path(path).name in REFUSED:
        return
    assert_same_verdict(swath, data / path)


def test_season_opens_as_rasterio_does(swath, data):
    paths = season()
    assert len(paths) == 395
    for path in paths:
        assert_opens_alike(swath, data / path)
        assert_same_verdict(swath, data / path)


def digests(data) -> pd.DataFrame:
    table = pd.read_csv(data / "sentinel2" / "expected_pixel_digests_gdal.csv")
    return table[table["path"].str.lower().str.contains(r"\.tiff?$")]


def digest_paths() -> list[str]:
    shared = Path(os.environ.get("SWATH_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    return sorted(digests(shared / "data")["path"].unique()) if inventory() else []


@pytest.mark.parametrize("path", digest_paths())
def test_pixel_digests(swath, data, tmp_path, path):
    """Through a COG of ours, read back by rasterio: the bits of the source and the digests of GDAL."""
    rows = digests(data)
    rows = rows[rows["path"] == path]
    source, target = data / path, tmp_path / "copy.tif"
    outcome = swath.run("convert", source, target)
    assert outcome.code == 0, outcome.stderr
    with rasterio.open(source) as theirs, rasterio.open(target) as ours:
        for _, row in rows.iterrows():
            band = int(row["band"])
            pixels = ours.read(band)
            if source.name in JPEG:
                assert np.abs(pixels.astype(int) - theirs.read(band)).max() <= 1
                assert pixels.mean() == pytest.approx(row["mean"], abs=0.02)
                continue
            assert np.array_equal(pixels, theirs.read(band), equal_nan=pixels.dtype.kind == "f")
            assert ours.checksum(band) == row["gdal_checksum"]
            assert (pixels.shape, str(pixels.dtype)) == ((row["rows"], row["cols"]), row["dtype"])
            finite = pixels.astype(float)
            assert np.nanmin(finite) == pytest.approx(row["min"], rel=1e-6)
            assert np.nanmax(finite) == pytest.approx(row["max"], rel=1e-6)
            assert np.nanmean(finite) == pytest.approx(row["mean"], rel=1e-6)


def test_there_are_fifty_nine_digests(data):
    assert len(digests(data)) == 59


# ---------------------------------------------------------------- generated defects


def swap_pages(path: Path):
    """Links the overview before the image: a page chain that is no longer sorted by size."""
    import struct

    raw = bytearray(path.read_bytes())
    first = struct.unpack_from("<I", raw, 4)[0]

    def next_at(offset):
        return offset + 2 + 12 * struct.unpack_from("<H", raw, offset)[0]

    second = struct.unpack_from("<I", raw, next_at(first))[0]
    third = struct.unpack_from("<I", raw, next_at(second))[0]
    fourth = struct.unpack_from("<I", raw, next_at(third))[0] if third else 0
    struct.pack_into("<I", raw, next_at(first), third)
    struct.pack_into("<I", raw, next_at(third), second)
    struct.pack_into("<I", raw, next_at(second), fourth)
    path.write_bytes(raw)


def move_ghost(path: Path):
    raw = path.read_bytes()
    assert b"LAYOUT=IFDS_BEFORE_DATA" in raw
    path.write_bytes(raw.replace(b"LAYOUT=IFDS_BEFORE_DATA", b"LAYOUT=IFDS_AFTERS_DATA"))


def cog(path: Path, size=1100, **options):
    plain = generate.write_raster(path.with_suffix(".plain.tif"), generate.backscatter(size, bands=1), nodata=0)
    settings = {"BLOCKSIZE": "256", "COMPRESS": "DEFLATE"} | options
    rasterio.shutil.copy(plain, path, driver="COG", **settings)
    return path


def add_overviews(path: Path, factors):
    with rasterio.open(path, "r+") as raster:
        raster.build_overviews(factors, Resampling.nearest)


def defect_strips(path):
    generate.write_raster(path, generate.backscatter(1100), tiled=False, blockxsize=1100, blockysize=8)


def defect_no_overviews(path):
    generate.write_raster(path, generate.backscatter(1100), blockxsize=256, blockysize=256)


def defect_overviews_after_data(path):
    generate.write_raster(path, generate.backscatter(1100), blockxsize=256, blockysize=256)
    add_overviews(path, [2, 4])


def defect_order_of_pages(path):
    cog(path, size=2100)
    swap_pages(path)


def defect_overviews_in_strips(path):
    with rasterio.Env(GDAL_TIFF_OVR_BLOCKSIZE=64):
        defect_strips(path)
        add_overviews(path, [2, 4])


def defect_external_overviews(path):
    generate.write_raster(path, generate.backscatter(1100), blockxsize=256, blockysize=256)
    with rasterio.Env(TIFF_USE_OVR=True):
        add_overviews(path, [2, 4])


def defect_rewritten(path):
    """A COG whose metadata were changed afterwards: the first page moved to the end of the file."""
    cog(path, IGNORE="x")
    with rasterio.Env(IGNORE_COG_LAYOUT_BREAK="YES"), rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as raster:
        raster.update_tags(note="x" * 3000)
        raster.update_tags(1, note="y" * 3000)


def defect_small_without_tiles(path):
    generate.write_raster(path, generate.backscatter(600), tiled=False, blockxsize=600, blockysize=4)


def sound_small_strips(path):
    generate.write_raster(path, generate.backscatter(300), tiled=False, blockxsize=300, blockysize=300)


def sound_cog(path):
    cog(path)


def sound_cog_without_ghost(path):
    cog(path)
    move_ghost(path)


CASES = {name: case for name, case in globals().items() if name.startswith(("defect_", "sound_"))}


@pytest.mark.parametrize("case", CASES)
def test_generated_defects(swath, tmp_path, case):
    path = tmp_path / "case.tif"
    CASES[case](path)
    assert_same_verdict(swath, path)


# ---------------------------------------------------------------- refusals


UNSUPPORTED = {
    "complex in planes": ({"dtype": "complex64", "count": 2, "interleave": "band"}, "complex"),
    "complex with predictor": ({"dtype": "complex64", "predictor": 2}, "predictor"),
    "jpeg of two bands": ({"compress": "jpeg", "dtype": "uint8", "count": 2, "interleave": "pixel"}, "2 samples"),
    "lzma": ({"compress": "lzma"}, "lzma"),
    "webp": ({"compress": "webp", "dtype": "uint8", "count": 3}, "webp"),
    "one bit": ({"dtype": "uint8", "NBITS": 1}, "1"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported_things_are_named(swath, tmp_path, name):
    options, word = UNSUPPORTED[name]
    path = tmp_path / "tile.tif"
    pixels = np.ones((options.pop("count", 1), 256, 256), options.get("dtype", "float32"))
    try:
        generate.write_raster(path, pixels, **({"blockxsize": 256, "blockysize": 256} | options))
    except rasterio.errors.RasterioError:
        pytest.skip(f"skipped: this GDAL does not write {name}")
    import geopandas
    import shapely

    parcel = shapely.box(generate.WEST + 5, generate.NORTH - 500, generate.WEST + 500, generate.NORTH - 5)
    parcels = tmp_path / "parcels.parquet"
    geopandas.GeoDataFrame({"id": ["1"]}, geometry=[parcel], crs=32632).to_parquet(parcels)
    outcome = swath.run("zonal", path, "--parcels", parcels, "-o", tmp_path / "out.csv")
    if outcome.code == 0 and name == "one bit":
        assert (tmp_path / "out.csv").read_text().splitlines()[1].split(",")[3] == "1.0"
        return
    assert outcome.code == 3, outcome
    assert word in outcome.stderr.lower() and path.name in outcome.stderr, outcome.stderr
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"I", b"II*\0", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08\0\0", b"\0" * 4096, b"<html>not found</html>", b"\x89PNG\r\n\x1a\n" + b"\0" * 64],
)  # fmt: skip
def test_garbage_is_refused(swath, tmp_path, content):
    path = tmp_path / "garbage.tif"
    path.write_bytes(content)
    outcome = swath.run("info", path)
    assert outcome.code == 3, outcome
    assert "garbage.tif" in outcome.stderr and outcome.stdout == ""


def test_netcdf_is_refused_by_name(swath, data):
    rows = pd.read_csv(data / "rasters.csv")
    path = data / rows[rows["driver"] == "netCDF"]["path"].iloc[0]
    outcome = swath.run("info", path)
    assert outcome.code == 3, outcome
    assert path.name in outcome.stderr and "netCDF" in outcome.stderr, outcome.stderr
