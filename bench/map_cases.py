#!/usr/bin/env python3
"""What other libraries do with the same images, each case in a process of its own.

    bench/map_cases.py odc|bottleneck --items FILE --out FILE [--threads N]
    bench/map_cases.py warp --source FILE --like FILE --out FILE [--threads N]

Prints a line `RESULT {...}` of CPU seconds (user + system), wall seconds and peak MB without imports. Results are written as
`swath` is asked to write them: tiles of 512, not compressed, no overviews.
"""
import argparse, json, resource, time
from pathlib import Path

import numpy as np
import rasterio

BANDS = ("B02", "B03", "B04", "B08")
# Classes of the scene classification that count: all but nothing, saturated, shadow, clouds, cirrus, snow.
CLEAR = (2, 4, 5, 6, 7)
BLOCK = 512


class Meter:
    """Measures what runs within it."""

    def cpu(self):
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    def __enter__(self):
        self.begin = time.perf_counter(), self.cpu()
        return self

    def __exit__(self, *_):
        wall, cpu = time.perf_counter() - self.begin[0], self.cpu() - self.begin[1]
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print("RESULT " + json.dumps({"cpu": cpu, "wall": wall, "rss": rss}))


def features(items):
    """Items with hrefs that open from anywhere."""
    found = json.loads(items.read_text())["features"]
    for feature in found:
        for asset in feature["assets"].values():
            asset["href"] = str(items.parent.resolve() / asset["href"])
    return found


def profile_of(source, count, dtype):
    return {"driver": "GTiff", "width": source.width, "height": source.height, "count": count, "dtype": dtype, "crs": source.crs,
            "transform": source.transform, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "interleave": "pixel"}


def odc(args):
    """odc-stac in pieces of dask, median of xarray."""
    import dask
    import odc.stac
    import pystac

    dask.config.set(scheduler="threads", num_workers=args.threads)
    found = features(args.items)
    with rasterio.open(found[0]["assets"][BANDS[0]]["href"]) as first:
        profile = profile_of(first, len(BANDS), "float32") | {"nodata": np.nan}
        crs, resolution = first.crs.to_string(), first.res[0]
    with Meter():
        items = [pystac.Item.from_dict(feature) for feature in found]
        cube = odc.stac.load(items, bands=[*BANDS, "SCL"], crs=crs, resolution=resolution, chunks={"x": BLOCK, "y": BLOCK, "time": -1},
                             nodata=0, dtype="uint16")
        bands = cube[list(BANDS)]
        is_clear = cube.SCL.isin(CLEAR)
        median = bands.where(is_clear & (bands != 0)).median("time", skipna=True).astype("float32").compute()
        with rasterio.open(args.out, "w", **profile) as target:
            target.write(np.stack([median[band].values for band in BANDS]))


def bottleneck(args):
    """rasterio block by block, nanmedian of bottleneck, one thread."""
    import bottleneck

    found = features(args.items)
    with Meter():
        images = [{name: rasterio.open(feature["assets"][name]["href"]) for name in (*BANDS, "SCL")} for feature in found]
        first = images[0][BANDS[0]]
        profile = profile_of(first, len(BANDS), "float32") | {"nodata": np.nan}
        with rasterio.open(args.out, "w", **profile) as target:
            for _, window in first.block_windows(1):
                half = rasterio.windows.Window(window.col_off // 2, window.row_off // 2, window.width // 2, window.height // 2)
                classes = np.stack([image["SCL"].read(1, window=half) for image in images])
                is_clear = np.isin(classes, CLEAR).repeat(2, axis=1).repeat(2, axis=2)
                for number, band in enumerate(BANDS, 1):
                    values = np.stack([image[band].read(1, window=window) for image in images]).astype("float32")
                    values[~is_clear | (values == 0)] = np.nan
                    target.write(bottleneck.nanmedian(values, axis=0).astype("float32"), number, window=window)


def warp(args):
    """rasterio.warp onto the grid of another file, bilinear: for want of gdalwarp."""
    from rasterio.warp import Resampling, reproject

    with Meter(), rasterio.open(args.source) as source, rasterio.open(args.like) as like:
        profile = profile_of(like, 1, source.dtypes[0]) | {"nodata": source.nodata}
        values = np.zeros(like.shape, source.dtypes[0])
        reproject(rasterio.band(source, 1), values, dst_transform=like.transform, dst_crs=like.crs, dst_nodata=source.nodata,
                  resampling=Resampling.bilinear, num_threads=args.threads)
        with rasterio.open(args.out, "w", **profile) as target:
            target.write(values, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=("odc", "bottleneck", "warp"))
    for name in ("items", "out", "source", "like"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    {"odc": odc, "bottleneck": bottleneck, "warp": warp}[args.case](args)


if __name__ == "__main__":
    main()
