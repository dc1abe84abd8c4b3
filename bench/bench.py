#!/usr/bin/env python3
"""Our program beside others on the same work, in one run: ratios of CPU time.

    bench/bench.py [--data DIR] [--rounds N] [--only NAME,NAME] [--anchors DIR]

Commands of a pair run in turn (A B A B ...), each in a process of its own; what is printed is the
median of user + system seconds of the whole process tree, peak memory of the largest process, and the
ratio. Python anchors print their own figure without imports (a line RESULT {...}); that one counts.
Data and anchors come from the benchmark folder beside the checkout (`../shared/bench`); where they are
absent our own figures are printed alone, over a simulated landscape.
"""
import argparse, json, os, shlex, shutil, statistics, subprocess, sys, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SWATH = Path(os.environ.get("SWATH_BIN", ROOT / "target/release/swath"))
DECODE = ROOT / "target/release/examples/decode_blocks"
SERVER = ROOT / "target/release/testkit-server"


def measure(command, env=None):
    """Runs a command; returns user + system seconds, wall seconds, peak MB."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sys.stderr if os.environ.get("SWATH_BENCH_VERBOSE") else subprocess.DEVNULL, text=True, env=env)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"failed ({process.returncode}): {shlex.join(map(str, command))}")
    cpu = usage.ru_utime + usage.ru_stime
    for line in out.splitlines():
        if line.startswith("RESULT "):
            own = json.loads(line[7:])
            return own["cpu"], own["wall"], own["rss"]
    return cpu, wall, usage.ru_maxrss / 1024


def median(figures):
    return [statistics.median(column) for column in zip(*figures)]


class Bench:
    def __init__(self, args):
        self.args, self.rows = args, []
        self.scratch = Path(tempfile.mkdtemp(prefix="swath-bench-"))
        self.home = self.scratch / "home"

    def swath(self, *words):
        return [str(SWATH), "--home", str(self.home), *map(str, words)]

    def zonal(self, raster, parcels, *words, threads=1):
        out = self.scratch / "out.parquet"
        return self.swath("--threads", threads, "zonal", raster, "--parcels", parcels, "-o", out, *words)

    def anchor(self, case, image, parcels):
        return [sys.executable, str(self.args.anchors / "anchors.py"), "--data", str(self.args.data), "case", case,
                "--image", image, "--n", str(parcels)]

    def pair(self, name, ours, other, wanted, what="cpu", rounds=None):
        """Prints ours, the other, and other / ours (how many times less we take).

        `what` is `cpu`, `wall`, `mb` or several of them with commas: a row for each, of the same runs.
        """
        if self.args.only and not any(word in name for word in self.args.only.split(",")):
            return
        measure(ours)  # warm: page cache, coverage cache
        a, b = [], []
        for _ in range(rounds or self.args.rounds):
            a.append(measure(ours))
            if other:
                b.append(measure(other))
        a, b = median(a), b and median(b)
        for column, unit in ((0, "CPU s"), (1, "s wall"), (2, "MB")):
            if ("cpu", "wall", "mb")[column] not in what.split(","):
                continue
            row = (name, f"{a[column]:.2f} {unit}", "", "", wanted)
            if b:
                row = (*row[:2], f"{b[column]:.2f} {unit}", f"{b[column] / max(a[column], 1e-9):.2f} x", wanted)
            self.rows.append(row)
            print("| " + " | ".join(row) + " |", flush=True)

    def run(self):
        print("| job | ours | other | other / ours | goal |\n|---|---|---|---|---|")
        data = self.args.data
        self.run_jp2()
        if not (data and (data / "quarter_s1_10980_deflate.tif").exists()):
            print("absent: the generated benchmark data (see bench/README.md); our own figures alone:", file=sys.stderr)
            return self.run_alone()
        self.run_statistics(data)
        self.run_decode(data)
        self.run_cog(data)
        self.run_latency(data)

    def run_statistics(self, data):
        quarter = "quarter_s1_10980_deflate.tif"
        parcels = data / "parcels_quarter_32632.parquet"
        if not parcels.exists():
            import geopandas
            frame = geopandas.read_parquet(data / "parcels_100000_25832.parquet").to_crs(32632)
            box = frame.bounds
            inside = (box.maxx < 500000 + 54900) & (box.miny > 6300000 - 54900)
            frame[inside].reset_index(drop=True).to_parquet(parcels)
        for rule, goal in (("centre", "GDAL decode / ours >= 1.11"), ("fraction", ">= 0.91")):
            self.pair(f"statistics, dense, {rule} / GDAL decode alone", self.zonal(data / quarter, parcels, "--coverage", rule),
                      self.anchor("floor_read", quarter, 100000), goal)
        ours = self.zonal(data / quarter, parcels)
        self.pair("statistics, dense / exactextract raster-sequential", ours, self.anchor("exact_rast", quarter, 100000), ">= 15 x", rounds=1)
        self.pair("statistics, dense / exactextract feature-sequential", ours, self.anchor("exact_feat", quarter, 100000), ">= 20 x", rounds=1)
        centre = self.zonal(data / quarter, parcels, "--coverage", "centre")
        self.pair("statistics, dense, centre / GDAL zonal-stats without percentiles", centre, self.anchor("gdal_zs_feat", quarter, 100000), ">= 2.5 x", rounds=1)
        few = data / "parcels_1000_25832.parquet"
        full = "s1_10980_deflate.tif"
        self.pair("1,000 parcels of the full tile, centre / rasterstats", self.zonal(data / full, few, "--coverage", "centre"),
                  self.anchor("rasterstats", full, 1000), "-", rounds=1)
        zstd = data / "s1_10980_zstd.tif"
        self.pair("the same pixels in zstd instead of deflate, 20,000 parcels",
                  self.zonal(zstd, data / "parcels_20000_25832.parquet"), self.zonal(data / full, data / "parcels_20000_25832.parquet"), "-")
        many = data / "parcels_100000_25832.parquet"
        self.pair("memory, 100,000 parcels, 10980^2 x 2", self.zonal(data / full, many, threads=2), None, "<= 150 MB", what="mb")

    def run_decode(self, data):
        self.make_zstd(data / "s2_10980_B04.tif", data / "s2_10980_B04_zstd.tif")
        for image, goal in (("s1_10980_deflate.tif", ">= 1.6 x"), ("s1_10980_zstd.tif", ">= 4 x"), ("s2_10980_B04.tif", ">= 1.6 x"),
                            ("s2_10980_B04_zstd.tif", ">= 2.5 x")):
            self.pair(f"block decode {image}", [str(DECODE), str(data / image)], self.anchor("floor_read", image, 1000), goal)

    def make_zstd(self, source, copy):
        """Writes the same pixels in zstd, as GDAL does, once."""
        if not copy.exists():
            import rasterio.shutil
            rasterio.shutil.copy(source, copy, driver="COG", COMPRESS="ZSTD", PREDICTOR="2", BLOCKSIZE="512")

    def run_cog(self, data):
        gdal = shutil.which("gdal_translate")
        if not gdal:
            print("absent: gdal_translate (Debian package gdal-bin)", file=sys.stderr)
        for image, predictor in (("quarter_s1_10980_plain.tif", "3"), ("quarter_s2_10980_B04_plain.tif", "2")):
            for scheme, goal in (("deflate", ">= 2 x"), ("zstd", ">= 6 x")):
                ours, theirs = self.scratch / "ours.tif", self.scratch / "theirs.tif"
                command = self.swath("--threads", 2, "convert", data / image, ours, "--compress", scheme, "--overwrite")
                other = gdal and [gdal, "-q", "-of", "COG", "-co", f"COMPRESS={scheme.upper()}", "-co", f"PREDICTOR={predictor}",
                                  "-co", "NUM_THREADS=2", "-co", "OVERVIEW_RESAMPLING=AVERAGE", str(data / image), str(theirs)]
                self.pair(f"COG creation {scheme} {image}", command, other, goal)
                if gdal and theirs.exists():
                    print(f"bytes: {ours.stat().st_size / theirs.stat().st_size - 1:+.1%} against GDAL", file=sys.stderr)

    def run_jp2(self):
        """JPEG 2000 of a real product to COG: the same compression, predictor, blocks and overviews."""
        images = self.args.shared / "data/sentinel2/l2a-safe"
        found = [(name, kind, sorted(images.rglob(name))) for name, kind in
                 (("*_B02_60m.jp2", "UInt16"), ("*_B04_60m.jp2", "UInt16"), ("*_AOT_10m.jp2", "UInt16"),
                  ("MSK_CLDPRB_20m.jp2", "Byte"), ("*_TCI_60m.jp2", "Byte"))]
        if not any(paths for _, _, paths in found):
            return print(f"absent: JPEG 2000 of Sentinel-2 below {images}", file=sys.stderr)
        gdal = shutil.which("gdal_translate")
        if not gdal:
            print("absent: gdal_translate (Debian package gdal-bin)", file=sys.stderr)
        for name, kind, paths in found:
            for image in paths[:1]:
                ours, theirs = self.scratch / "ours.tif", self.scratch / "theirs.tif"
                command = self.swath("--threads", 2, "convert", image, ours, "--compress", "deflate", "--overwrite")
                # With the type that it has said again, the 15 bits of the source do not forbid the predictor.
                other = gdal and [gdal, "-q", "--config", "GDAL_NUM_THREADS", "2", "-ot", kind, "-of", "COG",
                                  "-co", "COMPRESS=DEFLATE", "-co", "PREDICTOR=2", "-co", "BLOCKSIZE=512", "-co", "NUM_THREADS=2",
                                  "-co", "OVERVIEW_RESAMPLING=AVERAGE", str(image), str(theirs)]
                self.pair(f"JPEG 2000 to COG, deflate, {name.lstrip('*_')}", command, other, "-", what="cpu,wall")
                if theirs.exists() and ours.exists():
                    print(f"bytes: {ours.stat().st_size / theirs.stat().st_size - 1:+.1%} against GDAL", file=sys.stderr)

    def run_latency(self, data):
        if not SERVER.exists():
            return print("absent: testkit-server (cargo build --release -p swath-testkit)", file=sys.stderr)
        port_file = self.scratch / "port"
        server = subprocess.Popen([str(SERVER), "--dir", str(data), "--latency-ms", "50", "--port-file", str(port_file)], stdout=subprocess.DEVNULL)
        try:
            while not (port_file.exists() and port_file.read_text().strip()):
                time.sleep(0.05)
            url = f"http://127.0.0.1:{port_file.read_text().strip()}/s1_10980_deflate.tif"
            parcels = data / "parcels_20000_25832.parquet"
            self.pair("20,000 parcels, 50 ms per request (ours) / local file (other), wall", self.zonal(url, parcels, threads=2),
                      self.zonal(data / "s1_10980_deflate.tif", parcels, threads=2), "local / remote >= 0.33", what="wall")
        finally:
            server.terminate()

    def run_alone(self):
        land = self.scratch / "land"
        measure(self.swath("simulate", "--out", land))
        season = self.swath("extract", "--items", land / "scenes", "--parcels", land / "parcels.parquet", "-o", self.scratch / "season.parquet")
        self.pair("simulated season, 143 items", season, None, "-")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = Path(os.environ.get("SWATH_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--data", type=Path, default=os.environ.get("SWATH_BENCH_DATA"))
    parser.add_argument("--anchors", type=Path, default=shared / "bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    args.data, args.shared = Path(args.data) if args.data else None, shared
    bench = Bench(args)
    try:
        bench.run()
    finally:
        shutil.rmtree(bench.scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
