#!/usr/bin/env python3
"""Peak memory of a parcel set and of an extraction with it: 562,500 parcels beside 20,000 of them, on the same images.

    bench/parcels.py --raster IMAGE [--dates N]

The parcels are made: a lattice of quadrilaterals over IMAGE whose corners were moved, so that neighbours share edges; the few are a sample
of the many. Extraction with percentiles into a table, coverage computed (cold) and kept from before (warm).
Needs numpy, shapely, geopandas and rasterio.
"""
import argparse, multiprocessing, shutil, tempfile
from pathlib import Path

from bench import measure
from season import Season

SIDE, FEW = 750, 20_000
# Share of a cell by which a corner moves at most.
SHIFT = 0.3


def lattice(path, folder, side=SIDE, few=FEW):
    """Writes side² parcels, and a sample of so many of them, as NUMBER.parquet."""
    import geopandas
    import numpy as np
    import rasterio
    import shapely

    with rasterio.open(path) as raster:
        bounds, crs = raster.bounds, raster.crs
    random = np.random.default_rng(1)
    column, row = np.meshgrid(np.arange(side + 1.0), np.arange(side + 1.0))
    inner = (column % side > 0) & (row % side > 0)
    shift = random.uniform(-SHIFT, SHIFT, (2, *column.shape)) * inner
    x = bounds.left + (column + shift[0]) / side * (bounds.right - bounds.left)
    y = bounds.bottom + (row + shift[1]) / side * (bounds.top - bounds.bottom)
    corner = np.stack([x, y], axis=-1)
    rings = np.stack([corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1], corner[:-1, :-1]], axis=2)
    geometry = shapely.polygons(rings.reshape(-1, 5, 2))
    many = geopandas.GeoDataFrame({"parcel_id": np.arange(len(geometry))}, geometry=geometry, crs=crs)
    for parcels in (many, many.sample(few, random_state=1)):
        parcels.to_parquet(folder / f"{len(parcels)}.parquet")


def make(*args):
    """The same in a process of its own: the peak of a child counts what its parent held when it began."""
    maker = multiprocessing.get_context("spawn").Process(target=lattice, args=args)
    maker.start()
    maker.join()
    if maker.exitcode:
        raise SystemExit("the parcels could not be made")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raster", type=Path, required=True)
    parser.add_argument("--dates", type=int, default=4)
    args = parser.parse_args()
    args.id = "parcel_id"
    scratch = Path(tempfile.mkdtemp(prefix="swath-parcels-"))
    print("| parcels | job | rows | wall s | CPU s | MB |\n|---|---|---|---|---|---|")

    def row(parcels, job, rows, figures):
        cpu, wall, memory = figures
        print(f"| {parcels} | {job} | {rows} | {wall:.1f} | {cpu:.1f} | {memory:.0f} |", flush=True)

    make(args.raster, scratch)
    try:
        for parcels in (SIDE * SIDE, FEW):
            file = args.parcels = scratch / f"{parcels}.parquet"
            season = Season(args, "zstd", scratch)
            season.prepare()
            row(parcels, "import", "", measure([*season.swath, "parcels", "import", file, "--name", "again", "--id", args.id]))
            for state in ("cold", "warm"):
                figures, report = season.extract("s1-card-bs", args.dates, state)
                row(parcels, f"{args.dates} dates, coverage {state}", report["rows"], figures)
            row(parcels, "compaction", "", measure([*season.swath, "table", "compact", str(season.home / "warm")]))
            shutil.rmtree(season.home)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
