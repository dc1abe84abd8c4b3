"""`swath composite` beside numpy: the Flanders season, and small ones made here."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin


@pytest.fixture(scope="module")
def chips(data):
    return data / "timeseries-chips" / "flanders-2018-patchA"


def stack(folder):
    """All dates of a folder: values with NaN where not valid, and the profile of the first."""
    layers = []
    for path in sorted(folder.glob("*.tif")):
        with rasterio.open(path) as raster:
            values = raster.read(masked=True)
            profile = {"crs": raster.crs, "transform": raster.transform, "names": raster.descriptions}
            layers.append(np.where(np.ma.getmaskarray(values), np.nan, values.data.astype(float)))
    return np.stack(layers), profile


@pytest.mark.parametrize("folder", ["s2_10m", "s1_20m"])
@pytest.mark.parametrize("method", ["median", "p25", "mean"])
def test_the_flanders_season_equals_numpy(swath, chips, tmp_path, folder, method):
    output = tmp_path / "season.tif"
    swath("composite", "--items", chips / folder, "--method", method, "-o", output)
    layers, profile = stack(chips / folder)
    with np.errstate(all="ignore"):
        expected = {
            "median": lambda: np.nanmedian(layers, axis=0),
            "p25": lambda: np.nanpercentile(layers, 25, axis=0),
            "mean": lambda: np.nanmean(layers, axis=0),
        }[method]()
    with rasterio.open(output) as raster:
        assert raster.crs == profile["crs"]
        assert raster.transform == profile["transform"]
        assert raster.descriptions == profile["names"]
        ours = raster.read()
    # Float64 stays, as that of the radar; everything else becomes Float32.
    assert ours.dtype == (np.float64 if folder.startswith("s1") else np.float32)
    if method == "mean":
        # The order of a sum is not numpy's.
        np.testing.assert_allclose(ours, expected, rtol=1e-6, equal_nan=True)
    else:
        np.testing.assert_array_equal(ours, expected.astype(ours.dtype))


def test_little_memory_changes_nothing(swath, chips, tmp_path):
    outputs = [tmp_path / "much.tif", tmp_path / "little.tif"]
    for output, memory in zip(outputs, [512, 16], strict=True):
        swath("composite", "--items", chips / "s2_10m", "--memory", memory, "-o", output)
    first, second = (rasterio.open(output).read() for output in outputs)
    np.testing.assert_array_equal(first, second)


DATES = ["20250401", "20250411", "20250421"]
RED = [[900, 300, 500, 1], [400, 200, 500, 1], [350, 700, 500, 1]]
NIR = [[1000, 3000, 900, 1], [4000, 3500, 800, 1], [3000, 900, 700, 1]]
SCL = [[4, 4, 8, 9], [4, 4, 4, 9], [4, 8, 8, 9]]


@pytest.fixture
def season(tmp_path):
    """Three dates of four pixels; the last pixel is always in the clouds."""
    folder = tmp_path / "season"
    folder.mkdir()
    for date, red, nir, classes in zip(DATES, RED, NIR, SCL, strict=True):
        profile = {"crs": "EPSG:32631", "transform": from_origin(600_000, 5_650_000, 10, 10)}
        shape = {"width": 4, "height": 1, "count": 3, "dtype": "uint16", "nodata": 0}
        with rasterio.open(folder / f"scene_{date}.tif", "w", "GTiff", **profile, **shape) as file:
            file.write(np.array([[red], [nir], [classes]], dtype="uint16"))
            file.descriptions = ["B04", "B08", "SCL"]
    return folder


@pytest.mark.parametrize(
    ("method", "red", "nir"),
    [
        ("newest", [350, 200, 500, 0], [3000, 3500, 800, 0]),
        ("max-ndvi", [400, 200, 500, 0], [4000, 3500, 800, 0]),
        ("median", [400, 250, 500, np.nan], [3000, 3250, 800, np.nan]),
        ("p100", [900, 300, 500, np.nan], [4000, 3500, 800, np.nan]),
    ],
)
def test_clouds_do_not_count(swath, season, tmp_path, method, red, nir):
    output = tmp_path / "out.tif"
    options = ["--mask-scl", "--date-pattern", "%Y%m%d", "--method", method]
    swath("composite", "--items", season, *options, "-o", output)
    with rasterio.open(output) as raster:
        assert raster.descriptions == ("B04", "B08")
        np.testing.assert_array_equal(raster.read(1)[0], red)
        np.testing.assert_array_equal(raster.read(2)[0], nir)
        assert (raster.read_masks(1)[0] > 0).tolist() == [True, True, True, False]


def test_time_bands_and_grid_can_be_chosen(swath, season, tmp_path):
    output = tmp_path / "out.tif"
    options = ["--date-pattern", "%Y%m%d", "--datetime", "2025-04-01/2025-04-21", "--bands", "B08,B04"]
    grid = ["--crs", "EPSG:32631", "--bounds", "600000,5649990,600040,5650010", "--resolution", "20"]
    rule = ["--method", "newest", "--resampling", "average"]
    swath("composite", "--items", season, *options, *grid, *rule, "-o", output)
    with rasterio.open(output) as raster:
        assert raster.shape == (1, 2)
        assert raster.descriptions == ("B08", "B04")
        np.testing.assert_array_equal(raster.read()[:, 0], [[3750, 401], [300, 251]])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "best"], ["best", "median"]),
        (["--method", "least-cloud"], ["eo:cloud_cover"]),
        (["--bands", "B11"], ["B11"]),
        (["--bands", "B04", "--method", "max-ndvi"], ["nir"]),
        (["--datetime", "2030-01-01/.."], ["time"]),
    ],
)
def test_what_cannot_be_is_refused_by_name(swath, season, tmp_path, arguments, words):
    output = tmp_path / "out.tif"
    outcome = swath.run("composite", "--items", season, "--date-pattern", "%Y%m%d", *arguments, "-o", output)
    assert outcome.code in {2, 3}, outcome.stderr
    assert all(word in outcome.stderr for word in words), outcome.stderr
    assert not output.exists()
