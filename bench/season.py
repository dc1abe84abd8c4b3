#!/usr/bin/env python3
"""Extracts a year of Sentinel-1 into a table, scaled down, and says what the whole country would take.

    bench/season.py --raster IMAGE [--parcels FILE] [--dates N] [--records N]

IMAGE is a backscatter image of two bands (VV, VH in linear power), FILE the parcels on it; without it parcels are
made as those of Denmark lie in the country: 560,000 on 42,951 square kilometres, 61 % of which are fields (Statistics
Denmark), 4.7 hectares each. Its dates are N
acquisitions of backscatter and N of coherence, six days apart, each read anew from IMAGE: what is in the pixels
does not change the work, and four copies keep the page cache honest. Both collections are registered, the parcels
imported, every date extracted into its extract table with percentiles, and the table compacted; for IMAGE in
deflate and, converted by `swath convert`, in zstd.

The law by which it is extended: a fixed cost, and a cost per date and parcel. The fixed cost (opening the
catalogue, planning, coverage of the parcels on this grid) and the slope come from two runs, of N/4 and of N dates;
`--records` of the year (270,000,000: Denmark, 560,000 parcels, two bands, 241 dates) are taken at the slope, and
the fixed cost once for each such area. Where every date had another grid, coverage would be computed for each:
compare the row with cold coverage.

Columns fetch, decode, statistics and write are CPU seconds as `swath extract --json` reports them; the rest is
what the process took beside them.
"""
import argparse, json, os, shutil, subprocess, sys, tempfile, time
from datetime import datetime, timedelta
from pathlib import Path

from bench import SWATH, measure

COPIES = 4
DANISH_PARCELS_PER_KM2, DANISH_FIELDS = 560_000 / 42_951, 0.61
COLLECTIONS = {"s1-card-bs": ("CARD-BS", 0), "s1-card-coh6": ("CARD-COH6", 1)}
STAGES = ("fetch", "decode", "statistics", "write")


class Season:
    def __init__(self, args, compression, scratch):
        self.args, self.compression = args, compression
        self.home = scratch / compression
        self.swath = [str(SWATH), "--home", str(self.home)]
        self.raster = image(self.home, next(iter(COLLECTIONS)), 0)

    def run(self, *words):
        done = subprocess.run([*self.swath, *map(str, words)], check=True, capture_output=True, text=True)
        return done.stdout

    def prepare(self):
        self.raster.parent.mkdir(parents=True)
        self.run("convert", self.args.raster, self.raster, "--compress", self.compression)
        for number in range(1, COPIES):
            shutil.copyfile(self.raster, self.raster.with_name(f"{number}.tif"))
        # Each collection has a folder of its own, of the same files.
        for collection in list(COLLECTIONS)[1:]:
            shutil.copytree(self.raster.parent, image(self.home, collection, 0).parent, copy_function=os.link)
        info = json.loads(self.run("info", self.raster, "--json"))
        for collection, (product, hour) in COLLECTIONS.items():
            file = self.home / f"{collection}.ndjson"
            with file.open("w") as lines:
                for date in range(self.args.dates):
                    print(json.dumps(item(collection, product, date, hour, info)), file=lines)
            declared = self.home / f"{collection}.json"
            declared.write_text(json.dumps(declaration(collection)))
            self.run("items", "import", file, "--collection", collection, "--collection-file", declared)
        self.run("parcels", "import", self.args.parcels, "--name", "year", "--id", self.args.id)

    def extract(self, collection, dates, table):
        """Returns (CPU s, wall s, MB), and the report."""
        end = (FIRST + timedelta(days=6 * dates)).strftime("%Y-%m-%dT%H:%M:%SZ")
        command = [*self.swath, "extract", "--collection", collection, "--parcels", "year", "--datetime", f"../{end}",
                   "--table", str(self.home / table), "--json"]
        report = self.home / f"{table}.json"
        # The report goes to a file: `measure` keeps figures only.
        figures = measure(["sh", "-c", 'out=$1; shift; exec "$@" > "$out"', "sh", str(report), *command])
        return figures, json.loads(report.read_text())


FIRST = datetime(2021, 1, 1)
# Denmark: what items are searched by; what is measured follows from their grid.
OUTLINE = (8.0, 54.5, 13.0, 58.0)


def image(home, collection, number):
    return home / "archive" / collection / f"{number}.tif"


def affine(gdal):
    """The transform in the order of STAC."""
    x, dx, rx, y, ry, dy = gdal
    return [dx, rx, x, ry, dy, y]


def declaration(collection):
    """A collection whose items may name what lies in its folder of the archive."""
    extent = {"spatial": {"bbox": [OUTLINE]}, "temporal": {"interval": [["2021-01-01T00:00:00Z", None]]}}
    return {"type": "Collection", "stac_version": "1.1.0", "id": collection, "description": "A simulated year.",
            "license": "other", "extent": extent, "links": [], "swath:prefixes": [f"archive:{collection}/"]}


def item(collection, product, date, hour, info):
    start = FIRST + timedelta(days=6 * date, hours=5 + hour)
    name = f"S1A_{start:%Y%m%dT%H%M%S}_{product}"
    west, south, east, north = OUTLINE
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    stamp = start.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": "Feature", "stac_version": "1.1.0", "id": name, "collection": collection, "links": [],
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [west, south, east, north],
        "properties": {"datetime": stamp, "platform": "sentinel-1a", "constellation": "sentinel-1",
                       "s1:datatake_id": f"{0x40000 + date * 2 + hour:06X}", "sat:relative_orbit": 66,
                       "sat:orbit_state": "ascending", "proj:code": info["crs"],
                       "proj:shape": info["size"][::-1],
                       "proj:transform": affine(info["transform"])},
        "assets": {"data": {"href": f"archive:{collection}/{date % COPIES}.tif", "roles": ["data"],
                            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                            "bands": [{"name": "VV"}, {"name": "VH"}]}},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raster", type=Path, required=True)
    parser.add_argument("--parcels", type=Path)
    parser.add_argument("--id", default="parcel_id")
    parser.add_argument("--dates", type=int, default=16)
    parser.add_argument("--records", type=int, default=270_000_000)
    args = parser.parse_args()
    if args.dates < 4:
        parser.error("--dates: give 4 or more, a quarter of them is measured apart")
    scratch = Path(tempfile.mkdtemp(prefix="swath-season-"))
    if args.parcels is None:
        args.parcels = danish_parcels(args.raster, scratch)
    names = ("images", "job", "records", "wall s", "records/s", "CPU s", *STAGES, "rest", "MB")
    print("| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|")
    try:
        for compression in ("deflate", "zstd"):
            season = Season(args, compression, scratch)
            season.prepare()
            report(season, args, compression)
            shutil.rmtree(season.home)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def danish_parcels(raster, folder):
    """Parcels on an image as dense and as large as those of Denmark."""
    from parcels import make

    info = json.loads(subprocess.run([SWATH, "info", raster, "--json"], check=True, capture_output=True, text=True).stdout)
    width, height = (pixels * abs(step) for pixels, step in zip(info["size"], (info["transform"][1], info["transform"][5])))
    parcels = round(width * height / 1e6 * DANISH_PARCELS_PER_KM2)
    make(raster, folder, round((parcels / DANISH_FIELDS) ** 0.5), parcels)
    return folder / f"{parcels}.parquet"


def split(report, cpu):
    """CPU seconds of each stage as the program reports them, and the rest of the process."""
    stages = [report["stages"][name]["cpu_s"] for name in STAGES]
    return [f"{seconds:.1f}" for seconds in (*stages, cpu - sum(stages))]


def report(season, args, compression):
    def row(job, records, figures, report=None):
        cpu, wall, memory = figures
        stages = split(report, cpu) if report else [""] * (len(STAGES) + 1)
        cells = (compression, job, records, f"{wall:.1f}", f"{records / wall:.0f}", f"{cpu:.1f}", *stages, f"{memory:.0f}")
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)

    few = max(1, args.dates // 4)
    for collection in COLLECTIONS:
        shutil.rmtree(season.home / "cache", ignore_errors=True)
        cold, first = season.extract(collection, few, f"{collection}-few")
        whole, last = season.extract(collection, args.dates, f"{collection}-all")
        warm, again = season.extract(collection, few, f"{collection}-warm")
        row(f"{collection}, {few} dates, coverage cold", first["rows"], cold, first)
        row(f"{collection}, {few} dates", again["rows"], warm, again)
        row(f"{collection}, {args.dates} dates", last["rows"], whole, last)
        slope = (whole[1] - warm[1]) / (last["rows"] - again["rows"])
        compact = measure([*season.swath, "table", "compact", str(season.home / f"{collection}-all")])
        row(f"{collection}, compaction", last["rows"], compact)
        per_record = slope + compact[1] / last["rows"]
        fixed = max(0.0, cold[1] - slope * first["rows"])
        areas = args.records / last["rows"] * args.dates / 241
        minutes = (args.records * per_record + fixed * areas) / 60
        rate = args.records / minutes / 60
        empty = " |" * (len(STAGES) + 3)
        print(f"| {compression} | **{args.records} records of {collection}** | | **{minutes:.1f} min** | {rate:.0f} |{empty}", flush=True)


if __name__ == "__main__":
    main()
