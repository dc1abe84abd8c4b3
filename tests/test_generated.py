"""Generated tiles against exactextract and numpy; the same numbers whatever the blocks and the threads.

With SWATH_BENCH_DATA naming a folder made by `bench/make_data.py` the same is done for 10980² pixels and
20,000 parcels.
"""

from __future__ import annotations

import os
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from exactextract import exact_extract
from rasterstats import zonal_stats

import generate
from compare import STATISTICS, assert_close, assert_same_bits, deviation, read_table

THRESHOLD = 1e-6
OPERATIONS = ["count", "mean", "stdev", "min", "max", "quantile(q=0.25)", "median", "quantile(q=0.75)"]


def with_threshold(operation: str) -> str:
    argument = f"min_coverage_frac={THRESHOLD}"
    return operation.replace(")", f",{argument})") if "(" in operation else f"{operation}({argument})"


def exactextract_of(raster, parcels, bands: int) -> pd.DataFrame:
    """Returns what exactextract says, in the columns and the order of our table."""
    operations = [with_threshold(operation) for operation in OPERATIONS]
    wide = exact_extract(str(raster), parcels, operations, output="pandas")
    per_band = []
    for band in range(bands):
        part = wide.iloc[:, band::bands].apply(pd.to_numeric)
        part.columns = STATISTICS
        part["parcel_id"], part["rank"], part["band"] = parcels["parcel_id"].astype(str), range(len(part)), band
        per_band.append(part)
    return pd.concat(per_band).sort_values(["rank", "band"]).reset_index(drop=True)


def cut_quantiles(table: pd.DataFrame, ours: pd.DataFrame) -> pd.DataFrame:
    """Returns quantiles as exactextract gives them for whole numbers: the fraction is cut off.

    Beside a whole number the last digits of the shares decide which one it is: there either will do.
    """

    def cut(values, own):
        whole = np.round(values)
        either = (np.abs(values - whole) < 1e-6) & (np.abs(own - whole) <= 1)
        return np.where(either, own, np.trunc(values))

    return table.assign(**{column: cut(table[column], ours[column]) for column in ("p25", "p50", "p75")})


def near_threshold(raster, parcels, bands: int) -> np.ndarray:
    """Returns per row whether the parcel has a share so near to the threshold that rounding decides."""
    with rasterio.open(raster) as opened:
        profile = opened.profile | {"count": 1, "dtype": "uint8", "nodata": None, "compress": "zstd", "predictor": 1}
    blank = Path(str(raster) + ".blank.tif")
    with rasterio.open(blank, "w", **profile):
        pass
    shares = exact_extract(str(blank), parcels, ["coverage"], output="pandas")["coverage"]
    blank.unlink()
    near = [bool((np.abs(np.asarray(share, float) - THRESHOLD) < 1e-8).any()) for share in shares]
    return np.repeat(near, bands)


def pixel_max_of(raster) -> np.ndarray:
    with rasterio.open(raster) as opened:
        return np.array(
            [
                max(float(np.abs(opened.read(band, window=window, masked=True).astype(float)).max() or 0)
                    for _, window in opened.block_windows(1))
                for band in opened.indexes
            ]
        )  # fmt: skip


def assert_equals_exactextract(swath, raster, parcels_path, parcels, output, *options):
    swath("zonal", raster, "--parcels", parcels_path, "-o", output, *options)
    ours = read_table(output)
    with rasterio.open(raster) as opened:
        bands = opened.count
    theirs = exactextract_of(raster, parcels, bands)
    assert ours["parcel_id"].tolist() == theirs["parcel_id"].tolist()
    left_out = near_threshold(raster, parcels, bands)
    print(f"{left_out.sum()} records with a share within 1e-8 of the threshold: {ours['parcel_id'][left_out].tolist()}")
    scales = np.tile(np.nan_to_num(pixel_max_of(raster)), len(parcels))
    worst = {}
    for statistic in STATISTICS:
        scale = np.zeros(len(scales)) if statistic == "count" else scales
        kept = ~left_out
        left, right = ours[statistic].to_numpy()[kept], theirs[statistic].to_numpy()[kept]
        assert_close(left, right, scale[kept], 1e-6, statistic, ours["parcel_id"].to_numpy()[kept])
        worst[statistic] = float(deviation(left, right, scale[kept]).max())
    print(f"{len(ours)} records, largest deviations {worst}")
    return ours


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("generated")


@pytest.fixture(scope="module")
def parcels(folder):
    frame = generate.parcels()
    frame.to_parquet(folder / "parcels.parquet")
    frame.to_file(folder / "parcels.gpkg")
    return frame


@pytest.fixture(scope="module")
def pixels():
    return generate.backscatter()


@pytest.fixture(scope="module")
def tile(folder, pixels):
    return generate.write_raster(folder / "tile.tif", pixels, nodata=0, predictor=3)


@pytest.fixture(scope="module")
def table(swath_session, folder, tile, parcels):
    output = folder / "tile.parquet"
    swath_session("zonal", tile, "--parcels", folder / "parcels.parquet", "-o", output, "--threads", "1", "--no-cache")
    return read_table(output)


def test_every_record_equals_exactextract(swath, folder, tile, parcels, tmp_path):
    ours = assert_equals_exactextract(swath, tile, folder / "parcels.parquet", parcels, tmp_path / "out.parquet")
    assert (ours["count"] == 0).sum() > 20, "some parcels lie off the raster or in nodata"


def test_centre_rule_equals_rasterstats(swath, folder, tile, parcels, tmp_path):
    output = tmp_path / "out.parquet"
    swath("zonal", tile, "--parcels", folder / "parcels.parquet", "--coverage", "centre", "-o", output, "--bands", "2")
    ours = read_table(output)
    names = ["count", "mean", "std", "min", "max", "percentile_25", "median", "percentile_75"]
    # The reference rounds centres on edges in its own way: grid-aligned parcels are in the test after this.
    chosen = ~parcels["kind"].isin(["aligned", "half", "wide"]).to_numpy()
    theirs = pd.DataFrame(zonal_stats(parcels[chosen], str(tile), stats=names, band=2))[names].apply(pd.to_numeric)
    for statistic, name in zip(STATISTICS, names):
        tolerance = 0.0 if statistic in ("count", "min", "max") else 1e-6
        assert_close(ours[statistic][chosen], theirs[name], 0.0, tolerance, statistic, ours["parcel_id"][chosen].tolist())


def test_centres_on_left_and_top_edges_are_in(swath, folder, parcels, tmp_path):
    """Rectangles on a half-pixel lattice: n x m centres each, none twice."""
    ones = generate.write_raster(tmp_path / "ones.tif", np.ones((1, 300, 300), "uint8"))
    left = generate.WEST + 15 + 50 * np.arange(20)
    boxes = [
        shapely.box(x, generate.NORTH - y - 40, x + 30, generate.NORTH - y)
        for x in left
        for y in range(15, 1015, 50)
    ]
    frame = geopandas.GeoDataFrame({"parcel_id": range(len(boxes))}, geometry=boxes, crs=generate.CRS)
    frame.to_parquet(tmp_path / "boxes.parquet")
    output = tmp_path / "out.csv"
    swath("zonal", ones, "--parcels", tmp_path / "boxes.parquet", "--coverage", "centre", "-o", output)
    assert (read_table(output)["count"] == 12).all()


@pytest.mark.parametrize("options", [[], ["--coverage", "centre"], ["--buffer", "-10"]], ids=["fraction", "centre", "buffer"])
def test_threads_do_not_change_a_bit(swath, folder, tile, parcels, tmp_path, options):
    outputs = []
    for threads in ("1", "2", "3"):
        output = tmp_path / f"{threads}.parquet"
        command = ["zonal", tile, "--parcels", folder / "parcels.parquet", "-o", output, "--threads", threads]
        swath(*command, "--no-cache", *options)
        outputs.append(output)
    first = read_table(outputs[0])
    for other in outputs[1:]:
        assert_same_bits(first, read_table(other))
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_kept_coverage_does_not_change_a_bit(swath, folder, tile, parcels, table, tmp_path):
    for turn in ("cold", "warm"):
        output = tmp_path / f"{turn}.parquet"
        swath("zonal", tile, "--parcels", folder / "parcels.parquet", "-o", output)
        assert_same_bits(table, read_table(output))


def test_little_memory_does_not_change_a_bit(swath, folder, tile, parcels, table, tmp_path):
    output = tmp_path / "out.parquet"
    swath("zonal", tile, "--parcels", folder / "parcels.parquet", "-o", output, "--memory", "16", "--no-cache")
    assert_same_bits(table, read_table(output))


def test_parcel_format_does_not_change_a_bit(swath, folder, tile, parcels, table, tmp_path):
    output = tmp_path / "out.parquet"
    swath("zonal", tile, "--parcels", folder / "parcels.gpkg", "-o", output)
    assert_same_bits(table, read_table(output))


@pytest.mark.parametrize("epsg", [4326, 3857, 3035, 25832, 25831])
def test_parcels_in_another_crs(swath, folder, tile, parcels, pixels, tmp_path, epsg):
    """Against PROJ on edges cut to pieces of a metre; straight edges there are bent here."""
    chosen = parcels.iloc[::4].reset_index(drop=True)
    there = chosen.to_crs(epsg)
    there.to_parquet(tmp_path / "there.parquet")
    step = 1e-5 if epsg == 4326 else 1.0
    back = there.set_geometry(shapely.segmentize(there.geometry.values, step)).set_crs(epsg).to_crs(generate.CRS)
    output = tmp_path / "out.parquet"
    swath("zonal", tile, "--parcels", tmp_path / "there.parquet", "-o", output)
    ours, theirs = read_table(output), exactextract_of(tile, back, 2)
    # A millimetre along the edge.
    length_px = np.repeat(chosen.length.to_numpy() / generate.PIXEL_M, 2)
    assert (np.abs(ours["count"] - theirs["count"]) <= 1e-4 * np.maximum(length_px, 1e-2)).all()
    some = (theirs["count"] > 20).to_numpy()
    # No quantiles: a pixel that comes in with a millionth of its area is one more distinct value.
    for statistic in ("mean", "stdev"):
        assert_close(ours[statistic][some], theirs[statistic][some], float(pixels.max()), 1e-4, statistic)


LAYOUTS = {
    "blocks-256": {"blockxsize": 256, "blockysize": 256},
    "blocks-wide": {"blockxsize": 128, "blockysize": 1024, "compress": "lzw"},
    "strips": {"tiled": False, "blockysize": 7, "blockxsize": None},
    "one-strip": {"tiled": False, "blockysize": generate.SIZE, "blockxsize": None},
    "band-interleaved": {"interleave": "band", "predictor": 3},
    "band-interleaved-strips": {"interleave": "band", "tiled": False, "blockysize": 16, "blockxsize": None},
    "zstd": {"compress": "zstd", "predictor": 2},
    "packbits": {"compress": "packbits"},
    "plain": {"compress": "none"},
    "big": {"BIGTIFF": "YES"},
    "big-endian": {"ENDIANNESS": "BIG", "predictor": 2},
    "sparse": {"SPARSE_OK": True},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("coverage", ["fraction", "centre"])
def test_layout_of_the_file_does_not_matter(swath, folder, parcels, pixels, tile, tmp_path, layout, coverage):
    settings = {key: value for key, value in LAYOUTS[layout].items() if value is not None}
    if LAYOUTS[layout].get("blockxsize", 0) is None:
        settings["blockxsize"] = generate.SIZE
    raster = generate.write_raster(tmp_path / "other.tif", pixels, nodata=0, **settings)
    tables = []
    for source in (tile, raster):
        output = tmp_path / "out.parquet"
        swath("zonal", source, "--parcels", folder / "parcels.parquet", "-o", output, "--coverage", coverage)
        tables.append(read_table(output))
    first, second = tables
    assert (first[["parcel_id", "band"]] == second[["parcel_id", "band"]]).all(axis=None)
    for statistic in STATISTICS:
        is_exact = statistic in ("min", "max") or (statistic == "count" and coverage == "centre")
        scale = 0.0 if statistic == "count" else float(pixels.max())
        assert_close(second[statistic], first[statistic], 0.0 if is_exact else scale, 0.0 if is_exact else 1e-12, statistic)


def numbers(dtype: str, seed: int = 5) -> np.ndarray:
    random = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return (random.normal(0, 30, (2, 600, 600)) * 1.37).astype(dtype)
    low = 0 if np.dtype(dtype).kind == "u" else -120
    return random.integers(low, 121 if "8" in dtype else 4000, (2, 600, 600)).astype(dtype)


TYPES = {
    "uint8": 0, "int8": -1, "uint16": 0, "int16": -1, "uint32": 3999, "int32": -120, "uint64": 7, "int64": -5,
    "float32": -9999.0, "float64": -9999.25,
}  # fmt: skip


@pytest.mark.parametrize("dtype", TYPES)
def test_types_with_nodata(swath, parcels, tmp_path, dtype):
    """Against exactextract on the same numbers as float64, quantiles of whole numbers cut as it cuts them."""
    nodata = TYPES[dtype]
    pixels = numbers(dtype)
    pixels[:, 100:220, 50:500] = nodata
    pixels[0, 300:303, :] = nodata
    raster = generate.write_raster(tmp_path / "tile.tif", pixels, nodata=nodata, blockxsize=256, blockysize=256)
    twin = generate.write_raster(tmp_path / "twin.tif", pixels.astype("float64"), nodata=float(nodata))
    frame = parcels[parcels.intersects(shapely.box(*rasterio.open(raster).bounds).buffer(300))].reset_index(drop=True)
    assert len(frame) > 150
    frame.to_parquet(tmp_path / "parcels.parquet")
    swath("zonal", raster, "--parcels", tmp_path / "parcels.parquet", "-o", tmp_path / "out.parquet")
    ours, theirs = read_table(tmp_path / "out.parquet"), exactextract_of(twin, frame, 2)
    if not dtype.startswith("float"):
        theirs = cut_quantiles(theirs, ours)
    for statistic in STATISTICS:
        scale = 0.0 if statistic == "count" else float(np.abs(pixels[pixels != nodata].astype(float)).max())
        assert_close(ours[statistic], theirs[statistic], scale, 1e-6, f"{dtype} {statistic}", ours["parcel_id"].tolist())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("nodata", [None, float("nan"), -9999.0])
def test_nan_is_no_measurement(swath, parcels, tmp_path, dtype, nodata):
    pixels = numbers(dtype)
    pixels[:, ::7, ::5] = np.nan
    if nodata == -9999.0:
        pixels[:, 40:90, 40:90] = nodata
    raster = generate.write_raster(tmp_path / "tile.tif", pixels, nodata=nodata)
    frame = parcels[parcels.intersects(shapely.box(*rasterio.open(raster).bounds))].reset_index(drop=True)
    frame.to_parquet(tmp_path / "parcels.parquet")
    swath("zonal", raster, "--parcels", tmp_path / "parcels.parquet", "-o", tmp_path / "out.parquet")
    ours, theirs = read_table(tmp_path / "out.parquet"), exactextract_of(raster, frame, 2)
    for statistic in STATISTICS:
        scale = 0.0 if statistic == "count" else float(np.nanmax(np.abs(pixels)))
        assert_close(ours[statistic], theirs[statistic], scale, 1e-6, statistic, ours["parcel_id"].tolist())


@pytest.mark.parametrize("kind", ["internal mask", "alpha"])
@pytest.mark.parametrize("layout", ["tiles", "strips"])
def test_mask_band_and_alpha_drop_pixels(swath, parcels, tmp_path, kind, layout):
    pixels = numbers("uint8")
    valid = np.ones(pixels.shape[1:], bool)
    valid[120:260, 30:400] = False
    valid[::9, ::4] = False
    raster = tmp_path / "tile.tif"
    settings = {"blockxsize": 256, "blockysize": 256} if layout == "tiles" else {"tiled": False, "blockysize": 50}
    if kind == "alpha":
        pixels = np.concatenate([pixels, pixels[:1] // 2])
        stack = np.concatenate([pixels, np.where(valid, 255, 0).astype("uint8")[None]])
        generate.write_raster(raster, stack, photometric="RGB", ALPHA="YES", **settings)
    else:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            generate.write_raster(raster, pixels, **settings)
            with rasterio.open(raster, "r+") as opened:
                opened.write_mask(valid)
    twin_pixels = np.where(valid, pixels.astype("float64"), -1.0)
    twin = generate.write_raster(tmp_path / "twin.tif", twin_pixels, nodata=-1.0)
    frame = parcels[parcels.intersects(shapely.box(*rasterio.open(twin).bounds))].reset_index(drop=True)
    frame.to_parquet(tmp_path / "parcels.parquet")
    swath("zonal", raster, "--parcels", tmp_path / "parcels.parquet", "-o", tmp_path / "out.parquet")
    ours = read_table(tmp_path / "out.parquet")
    theirs = cut_quantiles(exactextract_of(twin, frame, len(pixels)), ours)
    assert len(ours) == len(theirs), "the opacity is no band of values"
    for statistic in STATISTICS:
        assert_close(ours[statistic], theirs[statistic], 0.0 if statistic == "count" else 255.0, 1e-6, statistic)


def test_scale_and_offset_are_used_once(swath, parcels, tmp_path):
    pixels = numbers("uint16")
    raster = generate.write_raster(tmp_path / "tile.tif", pixels, nodata=0)
    with rasterio.open(raster, "r+") as opened:
        opened.scales, opened.offsets = (1e-4, -2e-3), (-0.1, 5.0)
    frame = parcels[parcels.intersects(shapely.box(*rasterio.open(raster).bounds))].reset_index(drop=True)
    frame.to_parquet(tmp_path / "parcels.parquet")
    command = ["zonal", raster, "--parcels", tmp_path / "parcels.parquet", "-o"]
    swath(*command, tmp_path / "scaled.parquet")
    swath(*command, tmp_path / "stored.parquet", "--unscaled")
    scaled, stored = read_table(tmp_path / "scaled.parquet"), read_table(tmp_path / "stored.parquet")
    one = (stored["band"] == stored["band"].iloc[0]).to_numpy()
    scale, offset = np.where(one, 1e-4, -2e-3), np.where(one, -0.1, 5.0)
    assert_close(scaled["count"], stored["count"], 0.0, 0.0, "count")
    assert_close(scaled["mean"], stored["mean"] * scale + offset, 1e-3, 1e-12, "mean")
    # Stored quantiles are whole numbers, scaled ones are not.
    assert (np.abs(scaled["p50"] - (stored["p50"] * scale + offset)) <= np.abs(scale)).all()
    assert_close(scaled["stdev"], stored["stdev"] * np.abs(scale), 1e-3, 1e-9, "stdev")
    # A negative scale swaps the ends.
    expected = np.where(one, stored["min"], stored["max"]) * scale + offset
    assert_close(scaled["min"], expected, 1e-3, 1e-12, "min")
    expected = np.where(one, stored["p25"], stored["p75"]) * scale + offset
    assert (np.abs(scaled["p25"] - expected) <= np.abs(scale)).all()


# ---------------------------------------------------------------- masks and buffers


def weighted_statistics(values, shares) -> list[float]:
    """The rules of the design in numpy: population deviation, quantiles on distinct values with their weights."""
    if len(values) == 0:
        return [0.0] + [np.nan] * 7
    distinct, index = np.unique(values, return_inverse=True)
    weights = np.bincount(index, shares)
    total = weights.sum()
    mean = (distinct * weights).sum() / total
    stdev = np.sqrt((weights * (distinct - mean) ** 2).sum() / total)
    steps = len(distinct) - 1
    below = np.concatenate([[0], np.cumsum(weights)[:-1]])
    position = np.arange(len(distinct)) * weights + steps * below
    quantiles = np.interp(np.array([0.25, 0.5, 0.75]) * total * steps, position, distinct) if steps else [distinct[0]] * 3
    return [total, mean, stdev, distinct[0], distinct[-1], *quantiles]


def masked_statistics(shape, pixels, classes, origin=(generate.WEST, generate.NORTH), pixel_m=generate.PIXEL_M):
    """Statistics of one band under one shape from pixel-wise intersections by GEOS and a 20 m class raster."""
    if shape.is_empty:
        return [0.0] + [np.nan] * 7
    left, bottom, right, top = shape.bounds
    height, width = pixels.shape
    cols = np.arange(max(int((left - origin[0]) // pixel_m), 0), min(int((right - origin[0]) // pixel_m) + 1, width))
    rows = np.arange(max(int((origin[1] - top) // pixel_m), 0), min(int((origin[1] - bottom) // pixel_m) + 1, height))
    if not len(cols) or not len(rows):
        return [0.0] + [np.nan] * 7
    row, col = (axis.ravel() for axis in np.meshgrid(rows, cols, indexing="ij"))
    x, y = origin[0] + col * pixel_m, origin[1] - row * pixel_m
    shapely.prepare(shape)
    shares = shapely.area(shapely.intersection(shape, shapely.box(x, y - pixel_m, x + pixel_m, y))) / pixel_m**2
    value = pixels[row, col].astype(float)
    keep = (shares >= THRESHOLD) & (value != 0) & ~np.isin(classes[row // 2, col // 2], generate.SCL_DROPPED)
    return weighted_statistics(value[keep], shares[keep])


def swept(shape, distance_m: float) -> list:
    """Returns what lies within a distance of the edges of a shape, on its inner side, piece by piece.

    Round corners are fans of pieces of about pi/32, as the documentation has it.
    """
    pieces = []
    for polygon in shapely.get_parts(shape):
        polygon = shapely.geometry.polygon.orient(polygon)
        for ring in (polygon.exterior, *polygon.interiors):
            corners = np.array(ring.coords)[:-1]
            edges = np.roll(corners, -1, axis=0) - corners
            kept = np.hypot(*edges.T) > 0
            corners, edges = corners[kept], edges[kept]
            directions = edges / np.hypot(*edges.T)[:, None]
            normals = np.column_stack([-directions[:, 1], directions[:, 0]])
            for index, corner in enumerate(corners):
                after = (index + 1) % len(corners)
                end, normal = corners[after], normals[index]
                pieces.append(shapely.Polygon([corner, end, end + distance_m * normal, corner + distance_m * normal]))
                (x, y), (next_x, next_y) = directions[index], directions[after]
                turn = np.arctan2(x * next_y - y * next_x, x * next_x + y * next_y)
                if turn < 0:
                    count = max(int(-turn / (np.pi / 32) + 0.5), 1)
                    angles = np.arctan2(normal[1], normal[0]) + turn * np.arange(count + 1) / count
                    arc = end + distance_m * np.column_stack([np.cos(angles), np.sin(angles)])
                    pieces.append(shapely.Polygon([end, *arc]))
    return [piece for piece in pieces if piece.area > 0]


def inset(shape, distance_m: float):
    """Returns the shape without what lies within a distance of its edges.

    GEOS' own buffer leaves out shallow corners up to a hundredth of the distance before it begins, which
    shifts two in a thousand parcels by up to a few thousandths of a pixel: its overlays do not.
    """
    return shapely.difference(shape, shapely.union_all(swept(shape, distance_m)))


def assert_equals_numpy(ours, frame, sample, read_band, classes, pixel_max, inset_m=10.0, is_whole=False):
    """`is_whole`: whole numbers without a scale, of whose quantiles the fraction is cut off."""
    shapes = [inset(frame.geometry[index], inset_m) for index in sample]
    expected = np.array([masked_statistics(shape, read_band, classes) for shape in shapes])
    chosen = ours.iloc[sample]
    names = chosen["parcel_id"].to_numpy()
    # Either library gives edges to micrometres.
    lengths_px = shapely.length(frame.geometry.values[sample]) / generate.PIXEL_M
    off = np.abs(chosen["count"].to_numpy() - expected[:, 0])
    micrometres_px = 1e-6 * np.maximum(expected[:, 0], lengths_px)
    assert (off <= micrometres_px).all(), list(zip(names[off > micrometres_px], off[off > micrometres_px]))[:5]
    kept = expected[:, 0] >= 1e-3
    for rank, statistic in enumerate(STATISTICS[1:], 1):
        left, right = chosen[statistic].to_numpy()[kept], expected[kept, rank]
        if is_whole and statistic.startswith("p"):
            # Either side of a whole number, where the quantile all but is one.
            off = 1e-6 * pixel_max
            same = (left == np.floor(right - off)) | (left == np.floor(right + off))
            assert same.all(), (statistic, names[kept][~same][:5], left[~same][:5], right[~same][:5])
            continue
        assert_close(left, right, pixel_max, 1e-6, statistic, names[kept])
    print(f"{len(sample)} parcels equal, {(~kept).sum()} of them smaller than a thousandth of a pixel")


def test_class_mask_and_inner_buffer_equal_numpy(swath, folder, tile, parcels, pixels, tmp_path):
    classes = generate.scene_classes()
    scl = generate.write_raster(tmp_path / "scl.tif", classes[None], pixel_m=20.0, nodata=0, blockxsize=256, blockysize=256)
    output = tmp_path / "out.parquet"
    dropped = ",".join(map(str, generate.SCL_DROPPED))
    swath(
        "zonal", tile, "--parcels", folder / "parcels.parquet", "--mask", f"{scl}={dropped}", "--buffer", "-10",
        "--bands", "1", "-o", output,
    )  # fmt: skip
    ours = read_table(output)
    assert len(ours) == len(parcels), "a parcel that vanishes keeps its row"
    sample = np.arange(0, len(parcels), 3)
    assert_equals_numpy(ours, parcels, sample, pixels[0], classes, float(pixels.max()))
    assert ((ours["clear"] > 0) & (ours["clear"] < 1)).any()
    vanished = shapely.is_empty(shapely.buffer(parcels.geometry.values, -10))
    assert vanished.any() and (ours["count"][vanished] == 0).all()


def test_two_masks_both_drop(swath, folder, tile, parcels, tmp_path):
    classes = generate.scene_classes()
    other = generate.scene_classes(generate.SIZE // 5, seed=9)
    one = generate.write_raster(tmp_path / "one.tif", classes[None], pixel_m=20.0, nodata=0)
    two = generate.write_raster(tmp_path / "two.tif", other[None], pixel_m=50.0)
    counts = []
    for masks in ([f"{one}=8,9"], [f"{two}:1=4"], [f"{one}=8,9", f"{two}:1=4"]):
        options = [word for mask in masks for word in ("--mask", mask)]
        output = tmp_path / "out.csv"
        swath("zonal", tile, "--parcels", folder / "parcels.parquet", "--bands", "1", "-o", output, *options)
        counts.append(read_table(output)["count"].to_numpy())
    assert (counts[2] <= np.minimum(counts[0], counts[1]) + 1e-9).all()
    assert (counts[2] < np.minimum(counts[0], counts[1]) - 1e-6).any()


# ---------------------------------------------------------------- the full tile


@pytest.fixture(scope="module")
def bench_data():
    folder = os.environ.get("SWATH_BENCH_DATA")
    if not folder or not (Path(folder) / "s1_10980_deflate.tif").is_file():
        pytest.skip("skipped: name a folder made by bench/make_data.py in SWATH_BENCH_DATA for the full tile")
    return Path(folder)


@pytest.fixture(scope="module")
def full_parcels(bench_data, tmp_path_factory):
    """The parcels in the words of the raster's CRS: the same coordinates within centimetres, here exactly."""
    frame = geopandas.read_parquet(bench_data / "parcels_20000_25832.parquet").set_crs(32632, allow_override=True)
    path = tmp_path_factory.mktemp("full") / "parcels.parquet"
    frame.to_parquet(path)
    return path, frame


def test_full_tile_equals_exactextract(swath, bench_data, full_parcels, tmp_path):
    path, frame = full_parcels
    assert_equals_exactextract(swath, bench_data / "s1_10980_deflate.tif", path, frame, tmp_path / "out.parquet")


def test_full_tile_threads(swath, bench_data, full_parcels, tmp_path):
    path, _ = full_parcels
    tables = []
    for threads in ("1", "2"):
        output = tmp_path / f"{threads}.parquet"
        swath("zonal", bench_data / "s1_10980_deflate.tif", "--parcels", path, "-o", output, "--threads", threads)
        tables.append(read_table(output))
    assert_same_bits(*tables)


def test_full_tile_block_layouts(swath, bench_data, full_parcels, tmp_path):
    path, _ = full_parcels
    layouts = {
        "512": {"tiled": True, "blockxsize": 512, "blockysize": 512},
        "256": {"tiled": True, "blockxsize": 256, "blockysize": 256},
        "strips": {"tiled": False, "blockysize": 16},
    }
    tables = {rule: [] for rule in ("fraction", "centre")}
    for name, layout in layouts.items():
        raster = tmp_path / f"{name}.tif"
        with rasterio.open(bench_data / "s1_10980_plain.tif") as source:
            profile = source.profile | layout | {"compress": "zstd", "zstd_level": 1, "predictor": 3, "interleave": "pixel"}
            if name == "strips":
                profile.pop("blockxsize", None)
            with rasterio.open(raster, "w", **profile) as copy:
                for row in range(0, source.height, 512):
                    window = rasterio.windows.Window(0, row, source.width, min(512, source.height - row))
                    copy.write(source.read(window=window), window=window)
        for rule, found in tables.items():
            output = tmp_path / f"{name}-{rule}.parquet"
            swath("zonal", raster, "--parcels", path, "-o", output, "--coverage", rule)
            found.append(read_table(output))
        raster.unlink()
    for rule, (first, *others) in tables.items():
        for other in others:
            exact = ["min", "max"] + (["count"] if rule == "centre" else [])
            for statistic in STATISTICS:
                left, right = first[statistic].to_numpy(), other[statistic].to_numpy()
                if statistic in exact:
                    np.testing.assert_array_equal(left, right, err_msg=f"{rule} {statistic}")
                else:
                    np.testing.assert_allclose(left, right, rtol=1e-12, err_msg=f"{rule} {statistic}")


def test_full_tile_with_classes_and_buffer(swath, bench_data, full_parcels, tmp_path):
    path, frame = full_parcels
    raster, scl = bench_data / "s2_10980_B04.tif", bench_data / "s2_10980_SCL.tif"
    output = tmp_path / "out.parquet"
    dropped = ",".join(map(str, generate.SCL_DROPPED))
    swath(
        "zonal", raster, "--parcels", path, "--mask", f"{scl}={dropped}", "--buffer", "-10", "-o", output, "--unscaled"
    )
    with rasterio.open(raster) as opened, rasterio.open(scl) as opened_scl:
        pixels, classes = opened.read(1), opened_scl.read(1)
    sample = np.random.default_rng(0).choice(len(frame), 1000, replace=False)
    assert_equals_numpy(read_table(output), frame, sample, pixels, classes, float(pixels.max()), is_whole=True)
