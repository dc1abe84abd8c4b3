"""Seeded rasters and parcels for the comparisons: small, and with everything that real ones have."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.transform import from_origin

WEST, NORTH, PIXEL_M = 500_000.0, 6_300_000.0, 10.0
CRS = "EPSG:32632"
SIZE = 1500
#: Scene classes that `--mask-scl` drops; 0 is nodata.
SCL_DROPPED = [0, 1, 3, 8, 9, 10]


def backscatter(size: int = SIZE, seed: int = 1, bands: int = 2) -> np.ndarray:
    """Speckled float32 power with a wedge of nodata (0) along one side, as (band, row, col)."""
    random = np.random.default_rng(seed)
    row, col = np.mgrid[0:size, 0:size]
    smooth = np.sin(row / 37.0) + np.cos(col / 53.0)
    level = 10 ** ((-11.0 + 2.0 * smooth) / 10)
    pixels = np.stack([level * random.gamma(4.4, 1 / 4.4, (size, size)) for _ in range(bands)]).astype("float32")
    pixels += np.float32(1e-5)
    pixels[:, col > size * 0.93 - row * 0.17] = 0
    return pixels


def scene_classes(size: int = SIZE // 2, seed: int = 3) -> np.ndarray:
    """Scene classes in blobs, on the 20 m grid."""
    random = np.random.default_rng(seed)
    coarse = random.choice([0, 2, 3, 4, 4, 4, 5, 5, 8, 9, 10, 11], (size // 12 + 1, size // 12 + 1))
    return np.kron(coarse, np.ones((12, 12)))[:size, :size].astype("uint8")


def write_raster(path: Path, pixels: np.ndarray, *, pixel_m: float = PIXEL_M, nodata=None, **profile) -> Path:
    """Writes (band, row, col) as a GeoTIFF; `profile` is rasterio's."""
    bands, height, width = pixels.shape
    settings = {"driver": "GTiff", "height": height, "width": width, "count": bands, "dtype": pixels.dtype}
    settings |= {"crs": CRS, "transform": from_origin(WEST, NORTH, pixel_m, pixel_m), "nodata": nodata}
    settings |= {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
    with rasterio.open(path, "w", **(settings | profile)) as sink:
        sink.write(pixels)
    return path


def star(random, x: float, y: float, radius: float, points: int):
    """A polygon that never crosses itself."""
    angle = np.sort(random.uniform(0, 2 * np.pi, points))
    reach = radius * random.uniform(0.3, 1.0, points)
    ring = np.column_stack([x + reach * np.cos(angle), y + reach * np.sin(angle)])
    return shapely.make_valid(shapely.Polygon(ring).buffer(0))


def parcels(count: int = 1500, size: int = SIZE, seed: int = 2) -> geopandas.GeoDataFrame:
    """Overlapping, holed, multi-part, sliver, tiny, grid-aligned parcels, some across or off the edge."""
    random = np.random.default_rng(seed)
    extent = size * PIXEL_M
    shapes, kinds = [], []
    for index in range(count):
        x = WEST + random.uniform(-0.01, 1.01) * extent
        y = NORTH - random.uniform(-0.01, 1.01) * extent
        kind = ["plain", "plain", "plain", "holed", "multi", "sliver", "tiny", "aligned", "half", "wide"][index % 10]
        radius = random.uniform(40, 220)
        if kind == "plain":
            shape = star(random, x, y, radius, int(random.integers(4, 40)))
        elif kind == "holed":
            whole = shapely.Point(x, y).buffer(radius, 6)
            shape = whole.difference(star(random, x, y, radius * 0.6, 9))
        elif kind == "multi":
            shape = star(random, x, y, radius, 8).union(star(random, x + 3 * radius, y + radius, radius, 8))
        elif kind == "sliver":
            angle, half = random.uniform(0, np.pi), random.uniform(0.2, 4)
            line = shapely.LineString([(x, y), (x + radius * np.cos(angle), y + radius * np.sin(angle))])
            shape = line.buffer(half, cap_style="flat")
        elif kind == "tiny":
            shape = star(random, x, y, random.uniform(0.5, 6), 5)
        else:
            step = 10.0 if kind == "aligned" else 5.0 if kind == "half" else 3.0
            left, bottom = WEST + round((x - WEST) / step) * step, NORTH - round((NORTH - y) / step) * step
            width, height = (round(radius * k / step + 1) * step for k in random.uniform(0.2, 1, 2))
            shape = shapely.box(left, bottom, left + width, bottom + height)
        if shape.area > 0 and shape.geom_type in ("Polygon", "MultiPolygon"):
            shapes.append(shape)
            kinds.append(kind)
    frame = geopandas.GeoDataFrame({"kind": kinds}, geometry=shapes, crs=CRS)
    frame.insert(0, "parcel_id", [f"{number:06}" for number in range(len(frame))])
    return frame
