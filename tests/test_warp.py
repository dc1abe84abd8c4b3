"""`swath warp` beside GDAL's warper (rasterio) and PROJ (pyproj): positions, values, grids, real scenes."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT
from rasterio.warp import calculate_default_transform, transform_bounds

# Grids in two UTM zones, in degrees across the antimeridian, and the targets they go to.
SOURCES = {
    "utm31": ("EPSG:32631", (600_000, 5_650_000, 10), (400, 300)),
    "utm60": ("EPSG:32660", (680_000, 7_100_000, 200), (400, 300)),
    "degrees": ("EPSG:4326", (178.5, -16, 0.005), (500, 300)),
}
CASES = [
    ("utm31", "EPSG:3857"),
    ("utm31", "EPSG:3035"),
    ("utm31", "EPSG:32632"),
    ("utm31", "EPSG:32630"),
    ("utm31", "EPSG:4326"),
    ("utm60", "EPSG:4326"),
    ("utm60", "EPSG:32601"),
    ("degrees", "EPSG:32760"),
    ("degrees", "EPSG:3832"),
]


def write(path, bands, crs, transform, **profile):
    bands = np.asarray(bands)
    height, width = bands.shape[1:]
    size = {"count": len(bands), "height": height, "width": width}
    with rasterio.open(path, "w", "GTiff", crs=crs, transform=transform, dtype=bands.dtype, **size, **profile) as file:
        file.write(bands)
    return path


@pytest.fixture(scope="module")
def ramps(tmp_path_factory):
    """Float32 rasters of which the first band is the column and the second the row, at pixel centres."""
    folder = tmp_path_factory.mktemp("ramps")
    paths = {}
    for name, (crs, (x, y, step), (width, height)) in SOURCES.items():
        rows, columns = np.mgrid[0:height, 0:width].astype("float32") + np.float32(0.5)
        paths[name] = write(folder / f"{name}.tif", [columns, rows], crs, from_origin(x, y, step, step), tiled=True)
    return paths


def positions(source, target):
    """Exact positions of the target's pixel centres on the source grid, by PROJ: columns and rows."""
    columns, rows = np.meshgrid(np.arange(target.width) + 0.5, np.arange(target.height) + 0.5)
    x, y = target.transform * (columns, rows)
    forward = Transformer.from_crs(target.crs, source.crs, always_xy=True)
    x, y = forward.transform(x, y)
    if source.crs.is_geographic:
        middle = (source.bounds.left + source.bounds.right) / 2
        x = x - 360 * np.round((x - middle) / 360)
    return ~source.transform * (x, y)


def inside(source, columns, rows, margin):
    return (
        (columns >= margin)
        & (rows >= margin)
        & (columns < source.width - margin)
        & (rows < source.height - margin)
    )


@pytest.mark.parametrize(("name", "crs"), CASES)
@pytest.mark.parametrize("error", [0, 0.125])
def test_bilinear_on_ramps_is_the_exact_position(swath, ramps, tmp_path, name, crs, error):
    output = tmp_path / "out.tif"
    swath("warp", ramps[name], output, "--crs", crs, "--resampling", "bilinear", "--error", error, "--overviews", "none")
    with rasterio.open(ramps[name]) as source, rasterio.open(output) as target:
        columns, rows = positions(source, target)
        checked = inside(source, columns, rows, 2.5)
        assert checked.any()
        # Where pixels are oblong on the ground the kernel is widened, which is a little lopsided.
        lopsided = 0.07 if "EPSG:4326" in {crs, SOURCES[name][0]} else 1e-3
        assert (target.dataset_mask()[checked] == 255).all()
        for band, exact in enumerate([columns, rows], 1):
            off = np.abs(target.read(band) - exact)[checked].max()
            assert off <= max(error, lopsided), f"band {band}: off by {off} pixels"


def gdal_warp(source, target, rule, *, masks=False, **options):
    """What GDAL makes of a file on the grid of `target`, projected as exactly as `gdalwarp -et 0` does."""
    grid = {"crs": target.crs, "transform": target.transform, "width": target.width, "height": target.height}
    with WarpedVRT(source, resampling=Resampling[rule], tolerance=1e-6, **grid, **options) as warped:
        return warped.read_masks() if masks else warped.read()


@pytest.mark.parametrize(("name", "crs"), CASES)
def test_nearest_differs_from_gdal_only_at_pixel_edges(swath, ramps, tmp_path, name, crs):
    for error, bound in [(0, 1e-3), (0.125, 0.125)]:
        output = tmp_path / f"out-{error}.tif"
        swath("warp", ramps[name], output, "--crs", crs, "--error", error, "--overviews", "none")
        with rasterio.open(ramps[name]) as source, rasterio.open(output) as target:
            columns, rows = positions(source, target)
            ours, mask = target.read(), target.dataset_mask() == 255
            theirs = gdal_warp(source, target, "nearest", nodata=-1)
            ours[:, ~mask] = -1
            differs = (ours != theirs).any(axis=0)
            # GDAL leaves out parts of what lies on the other side of the antimeridian.
            if name != "utm31":
                differs &= theirs[0] != -1
            distance = np.minimum(np.abs(columns - np.round(columns)), np.abs(rows - np.round(rows)))
            assert (distance[differs] <= bound).all(), f"{differs.sum()} differ, up to {distance[differs].max()} px"
            # What lies inside is there, also beyond the antimeridian.
            assert mask[inside(source, columns, rows, bound)].all()
            assert not mask[~inside(source, columns, rows, -bound)].any()


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:3035", "EPSG:32632", "EPSG:4326"])
def test_the_default_grid_is_as_sensible_as_that_of_gdal(swath, ramps, tmp_path, crs):
    output = tmp_path / "out.tif"
    swath("warp", ramps["utm31"], output, "--crs", crs)
    with rasterio.open(ramps["utm31"]) as source, rasterio.open(output) as target:
        transform, width, height = calculate_default_transform(
            source.crs, crs, source.width, source.height, *source.bounds
        )
        assert target.res[0] == pytest.approx(transform.a, rel=0.02)
        assert abs(target.width - width) <= 0.02 * width + 2
        assert abs(target.height - height) <= 0.02 * height + 2
        assert target.bounds.left == pytest.approx(transform.c, abs=2 * transform.a)
        assert target.bounds.top == pytest.approx(transform.f, abs=2 * transform.a)


def test_the_other_side_of_the_antimeridian_stays_near(swath, ramps, tmp_path):
    output = tmp_path / "out.tif"
    swath("warp", ramps["utm60"], output, "--crs", "EPSG:4326")
    with rasterio.open(output) as target:
        assert target.bounds.right - target.bounds.left < 4
        assert -180 < target.bounds.left < target.bounds.right < -177


def scene(rng, height=600, width=700):
    """A scene with structure of all sizes, values from 1 to 9000."""
    rows, columns = np.mgrid[0:height, 0:width]
    smooth = np.sin(columns / 17) + np.cos(rows / 23) + np.sin((rows + columns) / 60)
    return (4500 + 1200 * smooth + rng.normal(0, 100, (height, width))).clip(1, 9000)


RULES = ["nearest", "bilinear", "cubic", "average", "mode", "min", "max"]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("resolution", "dtype"), [(7, "uint16"), (10, "float32"), (27, "int16")])
def test_values_are_those_of_gdal(swath, tmp_path, rule, resolution, dtype):
    rng = np.random.default_rng(5)
    values = scene(rng)
    if rule == "mode":
        values = values // 1500
    values = values.astype(dtype)
    nodata = {"uint16": 0, "int16": -9999, "float32": -9999}[dtype]
    values[200:260, 300:330] = nodata
    transform = from_origin(600_000, 5_650_000, 10, 10)
    path = write(tmp_path / "scene.tif", [values], "EPSG:32631", transform, nodata=nodata)
    output = tmp_path / "out.tif"
    crs = "EPSG:32631" if rule in {"average", "mode", "min", "max"} else "EPSG:3035"
    bounds = ["--bounds", "600013,5644011,606993,5649987"] if crs == "EPSG:32631" else []
    swath("warp", path, output, "--crs", crs, "--resolution", resolution, "--resampling", rule, "--error", 0, *bounds)
    with rasterio.open(output) as target:
        ours = target.read(1)
        assert target.dtypes[0] == dtype
        assert target.nodata == nodata
        with rasterio.open(path) as source:
            theirs = gdal_warp(source, target, rule, nodata=nodata)[0]
    is_there = (ours != nodata, theirs != nodata)
    both = is_there[0] & is_there[1]
    # The outline of what is valid may differ by half a pixel.
    assert (is_there[0] == is_there[1]).mean() > 0.99
    span = np.ptp(values[values != nodata].astype(float))
    off = np.abs(ours.astype(float) - theirs.astype(float))[both]
    # Which of the classes that are equally frequent is taken is up to each program.
    least = 0.97 if rule == "mode" else 0.99
    assert (off <= span * 2 / 255).mean() >= least, f"{(off > span * 2 / 255).mean():.4f} differ, mean {off.mean()}"


def test_what_the_source_says_is_kept(swath, tmp_path):
    rng = np.random.default_rng(1)
    values = rng.integers(0, 6, (1, 200, 200), dtype="uint8")
    path = write(tmp_path / "classes.tif", values, "EPSG:32631", from_origin(600_000, 5_650_000, 10, 10), nodata=0)
    colors = {value: (value * 40, 10, 255 - value * 40, 255) for value in range(6)}
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, colors)
        file.descriptions = ["classification"]
    output = tmp_path / "out.tif"
    swath("warp", path, output, "--crs", "EPSG:3857", "--overviews", "mode")
    with rasterio.open(output) as target:
        assert [target.colormap(1)[value][:3] for value in range(6)] == [colors[value][:3] for value in range(6)]
        assert target.descriptions == ("classification",)
        assert target.nodata == 0
        assert set(np.unique(target.read())) <= set(range(6))
    rgb = rng.integers(1, 255, (3, 200, 200), dtype="uint8")
    path = write(
        tmp_path / "rgb.tif", rgb, "EPSG:32631", from_origin(600_000, 5_650_000, 10, 10), photometric="RGB"
    )
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.1, 0.1, 0.1), (-1.0, -1.0, -1.0)
    output = tmp_path / "rgb-out.tif"
    swath("warp", path, output, "--crs", "EPSG:3035", "--resampling", "bilinear")
    with rasterio.open(output) as target:
        assert [color.name for color in target.colorinterp] == ["red", "green", "blue"]
        assert target.scales == (0.1, 0.1, 0.1)
        assert target.offsets == (-1.0, -1.0, -1.0)
        # Nothing says what absent pixels are: a mask does.
        mask = target.dataset_mask()
        assert mask[0, 0] == 0
        assert mask[target.height // 2, target.width // 2] == 255


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--crs", "EPSG:3857", "--resolution", "0.00001"], 2, ["limit", "--resolution"]),
        (["--crs", "EPSG:999999"], 2, ["999999"]),
        (["--crs", "EPSG:3857", "--bounds", "0,0,1000,1000"], 2, ["do not touch"]),
        (["--crs", "EPSG:3857", "--bounds", "0,0,1000"], 2, ["--bounds"]),
        (["--crs", "EPSG:3857", "--resolution", "10", "--size", "10,10"], 2, ["give one of them"]),
        (["--crs", "EPSG:3857", "--error=-1"], 2, ["--error"]),
        (["--crs", "EPSG:3857", "--nodata", "nan"], 3, ["nodata"]),
        (["--crs", "EPSG:3857", "--resampling", "lanczos"], 2, ["bilinear"]),
    ],
)
def test_what_cannot_be_is_refused_by_name(swath, tmp_path, arguments, code, words):
    path = write(
        tmp_path / "small.tif",
        np.ones((1, 64, 64), dtype="uint8"),
        "EPSG:32631",
        from_origin(600_000, 5_650_000, 10, 10),
    )
    output = tmp_path / "out.tif"
    outcome = swath.run("warp", path, output, *arguments)
    assert outcome.code == code, outcome.stderr
    assert all(word in outcome.stderr for word in words), outcome.stderr
    assert not output.exists()


REAL = [
    ("cog/titiler_S2_T34_TCI.tif", "EPSG:3857", 400),
    ("cog/titiler_S2_T34_B01.tif", "EPSG:4326", 0.004),
    ("sentinel2/scenes/belgium-fields/Sentinel2FileLayerProvider_multiband_reference.tif", "EPSG:32631", 10),
]


@pytest.mark.parametrize(("name", "crs", "resolution"), REAL)
@pytest.mark.parametrize("rule", ["nearest", "bilinear", "cubic"])
def test_real_scenes_are_those_of_gdal(swath, data, tmp_path, name, crs, resolution, rule):
    path = data / name
    output = tmp_path / "out.tif"
    swath("warp", path, output, "--crs", crs, "--resolution", resolution, "--resampling", rule, "--error", 0)
    check_scene(path, output, rule)


def test_the_scene_of_ireland_is_that_of_gdal(swath, data, tmp_path):
    pattern = "S2A_MSIL2A_20221005T115411*.SAFE/GRANULE/*/IMG_DATA/R60m/*_B04_60m.jp2"
    path = next((data / "sentinel2" / "l2a-safe").glob(pattern), None)
    if path is None:
        pytest.skip("skipped: the scene T29UNU is not there")
    for rule in ["nearest", "bilinear", "cubic"]:
        output = tmp_path / f"{rule}.tif"
        options = ["--resolution", 90, "--resampling", rule, "--nodata", 0, "--error", 0]
        swath("warp", path, output, "--crs", "EPSG:3857", *options)
        check_scene(path, output, rule)


def overview_as_gdalwarp(path, target):
    """The overview that `gdalwarp -ovr AUTO` reads: the coarsest that is not coarser than the target."""
    with rasterio.open(path) as source:
        place = transform_bounds(target.crs, source.crs, *target.bounds)
        ratio = (place[2] - place[0]) / source.res[0] / target.width
        levels = [level for level, factor in enumerate(source.overviews(1)) if factor <= ratio]
    return {"overview_level": levels[-1]} if levels else {}


def check_scene(path, output, rule):
    with rasterio.open(output) as target:
        bands = list(range(1, min(target.count, 3) + 1))
        ours = target.read(bands).astype(float)
        with rasterio.open(path, **overview_as_gdalwarp(path, target)) as source:
            theirs = gdal_warp(source, target, rule)[: len(bands)].astype(float)
            masks = gdal_warp(source, target, "nearest", masks=True)[: len(bands)]
        both = (target.read_masks(bands) > 0) & (masks > 0)
    assert both.mean() > 0.1
    low, top = np.percentile(theirs[both], [2, 98])
    scale = 255 / max(top - low, 1e-9)
    off = np.abs(((ours - low) * scale).clip(0, 255) - ((theirs - low) * scale).clip(0, 255))[both]
    assert (off <= 2).mean() >= 0.99, f"{(off > 2).mean():.4f} of the pixels differ by more than 2/255"
