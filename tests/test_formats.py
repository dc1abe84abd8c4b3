"""JPEG 2000, JPEG and LERC in TIFF, complex samples and ground control points, as rasterio reads them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.control import GroundControlPoint

import generate
from test_open import assert_same_crs

MOST_PIXELS = 6_000_000


def jp2_paths() -> list[str]:
    shared = Path(os.environ.get("SWATH_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    table = shared / "data" / "rasters.csv"
    if not table.is_file():
        return []
    rows = pd.read_csv(table)
    return rows[rows["driver"] == "JP2OpenJPEG"]["path"].tolist()


def test_there_are_sixty_six_jpeg_2000_files(data):
    assert len(jp2_paths()) == 66


@pytest.mark.parametrize("path", jp2_paths())
def test_jpeg_2000_opens_as_rasterio_does(swath, data, path):
    with rasterio.open(data / path) as raster:
        info = swath("info", data / path, "--json").json()
        assert info["driver"] == "JPEG 2000" and info["compression"] == "jpeg2000"
        assert info["size"] == [raster.width, raster.height]
        assert [band["dtype"] for band in info["bands"]] == list(raster.dtypes)
        assert_same_crs(info["crs"], raster)
        if raster.crs is not None:
            assert np.allclose(info["transform"], raster.transform.to_gdal(), rtol=1e-14, atol=0)
        theirs = [[-(-raster.width // factor), -(-raster.height // factor)] for factor in raster.overviews(1)]
        # GDAL leaves out the overviews of images of one small tile with odd sides.
        assert [level["size"] for level in info["overviews"]][: len(theirs)] == theirs


def placed_and_small() -> list[str]:
    shared = Path(os.environ.get("SWATH_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    if not jp2_paths():
        return []
    rows = pd.read_csv(shared / "data" / "rasters.csv").set_index("path").loc[jp2_paths()]
    small = rows["crs"].notna() & (rows["width"] * rows["height"] * rows["bands"] <= MOST_PIXELS)
    return rows[small].index.tolist()


@pytest.mark.parametrize("path", placed_and_small())
def test_jpeg_2000_becomes_a_cog_with_its_pixels(swath, data, tmp_path, path):
    target = tmp_path / "copy.tif"
    swath("convert", data / path, target)
    with rasterio.open(data / path) as theirs, rasterio.open(target) as ours:
        is_lossless = theirs.tags(ns="IMAGE_STRUCTURE")["COMPRESSION_REVERSIBILITY"].startswith("LOSSLESS")
        difference = np.abs(ours.read().astype(int) - theirs.read())
        assert difference.max() <= (0 if is_lossless else 1)
        means = ours.read().mean(), theirs.read().mean()
        assert means[0] == pytest.approx(means[1], abs=1e-3)
        assert ours.crs == theirs.crs or ours.crs.to_wkt()


JP2_OPTIONS = {
    "reversible": {"REVERSIBLE": "YES", "QUALITY": "100"},
    "table of lengths": {"REVERSIBLE": "YES", "QUALITY": "100", "TLM": "YES"},
    "small tiles": {"REVERSIBLE": "YES", "QUALITY": "100", "BLOCKXSIZE": "64", "BLOCKYSIZE": "64"},
    "odd tiles": {"REVERSIBLE": "YES", "QUALITY": "100", "BLOCKXSIZE": "100", "BLOCKYSIZE": "77"},
    "codestream": {"REVERSIBLE": "YES", "QUALITY": "100", "CODEC": "J2K"},
    "layers": {"REVERSIBLE": "YES", "QUALITY": "20,50,100"},
    "precincts": {"REVERSIBLE": "YES", "QUALITY": "100", "PRECINCTS": "{128,128},{64,64}"},
    "by resolution": {"REVERSIBLE": "YES", "QUALITY": "100", "PROGRESSION": "RPCL", "SOP": "YES", "EPH": "YES"},
    "by component": {"REVERSIBLE": "YES", "QUALITY": "100", "PROGRESSION": "CPRL", "PLT": "YES"},
    "geojp2 only": {"REVERSIBLE": "YES", "QUALITY": "100", "GMLJP2": "NO"},
    "gml only": {"REVERSIBLE": "YES", "QUALITY": "100", "GeoJP2": "NO"},
}


@pytest.mark.parametrize("dtype, bands", [("uint8", 3), ("uint16", 1), ("int16", 2)])
@pytest.mark.parametrize("name", JP2_OPTIONS)
def test_generated_jpeg_2000(swath, tmp_path, name, dtype, bands):
    random = np.random.default_rng(7)
    row, col = np.mgrid[0:301, 0:423]
    smooth = 60 * np.sin(row / 31.0) + 50 * np.cos(col / 17.0) + 120
    pixels = np.stack([smooth + random.normal(0, 3, smooth.shape) for _ in range(bands)])
    pixels = np.clip(pixels * (1 if dtype == "uint8" else 60), 0, 255 if dtype == "uint8" else 20_000).astype(dtype)
    path, target = tmp_path / "a.jp2", tmp_path / "copy.tif"
    options = JP2_OPTIONS[name]
    plain = {"driver": "JP2OpenJPEG", "tiled": None, "blockxsize": None, "blockysize": None, "compress": None}
    settings = {key: value for key, value in plain.items() if value is not None}
    profile = settings | {"height": 301, "width": 423, "count": bands, "dtype": dtype, "crs": generate.CRS}
    profile |= {"transform": rasterio.transform.from_origin(generate.WEST, generate.NORTH, 10, 10)}
    with rasterio.open(path, "w", **profile, **options) as sink:
        sink.write(pixels)
    info = swath("info", path, "--json").json()
    if name != "codestream":
        assert info["crs"] == generate.CRS and info["transform"] == [generate.WEST, 10, 0, generate.NORTH, 0, -10]
        swath("convert", path, target)
        with rasterio.open(target) as ours:
            assert np.array_equal(ours.read(), pixels)
    else:
        assert info["driver"] == "JPEG 2000 codestream" and info["size"] == [423, 301]


def smooth_bands(bands: int, dtype: str, side: int = 300) -> np.ndarray:
    row, col = np.mgrid[0:side, 0 : side + 7]
    layers = [120 + 60 * np.sin(row / 31.0 + band) + 50 * np.cos(col / 17.0) for band in range(bands)]
    return np.stack(layers).astype(dtype)


JPEG = {
    "ycbcr": (3, {"photometric": "ycbcr"}),
    "rgb": (3, {"photometric": "rgb"}),
    "grey": (1, {}),
    "planes": (3, {"interleave": "band"}),
    "two planes": (2, {"interleave": "band"}),
    "four bands": (4, {"photometric": "rgb"}),
    "strips": (3, {"photometric": "ycbcr", "tiled": False, "blockxsize": 307, "blockysize": 48}),
    "tables inside": (1, {"JPEGTABLESMODE": "0"}),
}


@pytest.mark.parametrize("name", JPEG)
def test_jpeg_in_tiff(swath, tmp_path, name):
    bands, options = JPEG[name]
    source, target = tmp_path / "a.tif", tmp_path / "copy.tif"
    settings = {"compress": "jpeg", "blockxsize": 128, "blockysize": 128, "JPEG_QUALITY": 90} | options
    generate.write_raster(source, smooth_bands(bands, "uint8"), **settings)
    swath("convert", source, target)
    with rasterio.open(source) as theirs, rasterio.open(target) as ours:
        difference = np.abs(ours.read().astype(int) - theirs.read())
        assert difference.max() <= (4 if options.get("photometric") == "ycbcr" else 1)
        # Decoders round the chroma between its samples differently.
        assert difference.mean() <= (0.5 if options.get("photometric") == "ycbcr" else 0.3)
        assert swath("info", source, "--json").json()["compression"] == "jpeg"
        if bands == 3:
            assert [color.name for color in ours.colorinterp] == ["red", "green", "blue"]


LERC_TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]


@pytest.mark.parametrize("dtype", LERC_TYPES)
@pytest.mark.parametrize("packing", ["lerc", "lerc_deflate", "lerc_zstd"])
@pytest.mark.parametrize("error", [0, 2])
@pytest.mark.parametrize("bands, interleave", [(1, "pixel"), (3, "pixel"), (3, "band")])
def test_lerc_in_tiff(swath, tmp_path, dtype, packing, error, bands, interleave):
    source, target = tmp_path / "a.tif", tmp_path / "copy.tif"
    random = np.random.default_rng(3)
    pixels = smooth_bands(bands, "float64") + random.normal(0, 4, (bands, 300, 307))
    pixels[:, 40:90, 150:220] = 7
    pixels[:, 200:, :90] = random.uniform(0, 100, (bands, 100, 90))
    pixels = (pixels - 100 if dtype in ("int8", "int16", "int32") else pixels).clip(
        *((-128, 127) if dtype == "int8" else (-200, 255))
    )
    pixels = pixels.astype(dtype)
    if dtype.startswith("float"):
        pixels[:, 100:120, 30:170] = np.nan
        pixels[0, 5, 5] = np.nan
    options = {"blockxsize": 128, "blockysize": 128, "MAX_Z_ERROR": error, "interleave": interleave}
    generate.write_raster(source, pixels, compress=packing, **options)
    swath("convert", source, target)
    with rasterio.open(source) as theirs, rasterio.open(target) as ours:
        assert np.array_equal(ours.read(), theirs.read(), equal_nan=dtype.startswith("float"))
    assert swath("info", source, "--json").json()["compression"] == "lerc"


def test_lerc_with_opacity(swath, tmp_path):
    source, target = tmp_path / "a.tif", tmp_path / "copy.tif"
    pixels = smooth_bands(4, "uint8")
    pixels[3] = np.where(pixels[0] > 100, 255, 0)
    options = {"blockxsize": 128, "blockysize": 128, "photometric": "rgb", "ALPHA": "YES", "interleave": "pixel"}
    generate.write_raster(source, pixels, compress="lerc", **options)
    swath("convert", source, target)
    with rasterio.open(source) as theirs, rasterio.open(target) as ours:
        assert np.array_equal(ours.read(4), theirs.read(4))
        seen = ours.read(4) == 255
        assert all(np.array_equal(ours.read(band)[seen], theirs.read(band)[seen]) for band in (1, 2, 3))


@pytest.mark.parametrize("dtype", ["complex_int16", "complex64", "complex128"])
@pytest.mark.parametrize("bands", [1, 2])
@pytest.mark.parametrize("options", [{}, {"tiled": False, "blockxsize": 300, "blockysize": 16}, {"ENDIANNESS": "BIG"}])
def test_complex_samples_are_two_bands(swath, tmp_path, dtype, bands, options):
    source, target = tmp_path / "a.tif", tmp_path / "copy.tif"
    random = np.random.default_rng(5)
    pixels = random.integers(-3000, 3000, (bands, 300, 300)) + 1j * random.integers(-3000, 3000, (bands, 300, 300))
    profile = {"driver": "GTiff", "height": 300, "width": 300, "count": bands, "dtype": dtype, "crs": generate.CRS}
    profile |= {"transform": rasterio.transform.from_origin(generate.WEST, generate.NORTH, 10, 10)}
    profile |= {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate", "interleave": "pixel"}
    pixels = pixels.astype("complex64" if dtype == "complex_int16" else dtype)
    with rasterio.open(source, "w", **(profile | options)) as sink:
        sink.write(pixels)
    part = {"complex_int16": "int16", "complex64": "float32", "complex128": "float64"}[dtype]
    names = ["re", "im"] if bands == 1 else ["band_1_re", "band_1_im", "band_2_re", "band_2_im"]
    info = swath("info", source, "--json").json()
    assert [(band["name"], band["dtype"]) for band in info["bands"]] == [(name, part) for name in names]
    swath("convert", source, target)
    with rasterio.open(target) as ours:
        assert list(ours.descriptions) == names
        read = ours.read()
    assert np.array_equal(read[0::2], pixels.real) and np.array_equal(read[1::2], pixels.imag)


@pytest.mark.parametrize("point", ["Area", "Point"])
def test_ground_control_points_are_told(swath, tmp_path, point):
    path = tmp_path / "a.tif"
    points = [GroundControlPoint(row, col, 8 + col / 100, 50 - row / 100, 120.5) for row in (0, 60) for col in (0, 80)]
    profile = {"driver": "GTiff", "height": 60, "width": 80, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, gcps=points, crs="EPSG:4326") as sink:
        sink.update_tags(AREA_OR_POINT=point)
        sink.write(np.ones((1, 60, 80), "uint8"))
    with rasterio.open(path) as raster:
        theirs = [[p.col, p.row, p.x, p.y, p.z] for p in raster.gcps[0]]
    info = swath("info", path, "--json").json()
    assert info["transform"] is None and info["has_control_points"] and info["crs"] == "EPSG:4326"
    assert [list(entry.values()) for entry in info["control_points"]] == theirs
    assert "4 ground control points" in swath("info", path).stdout
    outcome = swath.run("convert", path, tmp_path / "copy.tif")
    assert outcome.code == 3 and "transform" in outcome.stderr
