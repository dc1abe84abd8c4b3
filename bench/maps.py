#!/usr/bin/env python3
"""Warp, composite and map tiles beside gdalwarp, odc-stac, bottleneck, titiler and MapServer, in one run.

    bench/maps.py [--data DIR] [--rounds N] [--only warp,composite,tiles,latency] [--each N] [--clients 1,8,64]

What is compared does the same work and writes the same bytes: target grid, rule, bound of positions, threads, compression.
Programs run in turn; a figure is the median of user + system seconds of the whole process tree, for servers the
difference of /proc over the requests. *Cold*: nothing of the files is in the page cache, servers have just started; *warm*: all
that was done once before. Pictures are compared too: the largest difference is told. What is absent is said, and our
own figures are printed still. The data are those of bench/README.md; without them a simulated season is warped and composed.
"""
import argparse, importlib.util, json, os, shutil, subprocess, sys, tempfile, time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import ROOT, SWATH, measure, median
from tile_servers import MapServer, Ours, Titiler, tiles_over

CASES = Path(__file__).with_name("map_cases.py")
TESTKIT = Path(os.environ.get("SWATH_TESTKIT_SERVER", ROOT / "target/release/testkit-server"))
THREADS = 2
# Zooms of the tiles, for an image of 10 m: from an overview of all to pixels twice as large.
ZOOMS = range(8, 15)
# Classes of the scene classification that do not count: what is left is CLEAR of map_cases.py.
DROPPED_CLASSES = "0,1,3,8,9,10,11"
LATENCIES_MS = (50, 200)
# Each ours / other of the design, section 7.
WARP_GOALS = {3035: ">= 4 x", 3857: ">= 6 x"}
PREDICTORS = {"none": 1, "zstd": 2, "deflate": 2}


def forget(paths):
    """Drops files from the page cache; unwritten pages are written first."""
    for path in paths:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def print_row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def print_head(*cells):
    print()
    print_row(*cells)
    print("|" + "---|" * len(cells), flush=True)


def say_absent(what):
    print(f"absent: {what}; our own figures alone", file=sys.stderr)


def ratio(ours, other):
    return f"{other / max(ours, 1e-9):.1f} x" if other is not None else ""


def difference(one, two):
    """Says how far two rasters differ, where both have values, in stored units."""
    import numpy as np
    import rasterio

    with rasterio.open(one) as a, rasterio.open(two) as b:
        largest = beyond = count = only_one = 0
        for _, window in a.block_windows(1):
            mine, theirs = (source.read(window=window, masked=True) for source in (a, b))
            valid = (~np.ma.getmaskarray(mine) & ~np.ma.getmaskarray(theirs)) & ~(np.isnan(mine.data) | np.isnan(theirs.data))
            distance = np.abs(mine.data.astype("float64") - theirs.data.astype("float64"))[valid]
            has_value = [~np.ma.getmaskarray(pixels) & ~np.isnan(pixels.data) for pixels in (mine, theirs)]
            only_one += int((has_value[0] != has_value[1]).sum())
            count += distance.size
            beyond += int((distance > 1).sum())
            largest = max(largest, float(distance.max(initial=0)))
        pixels = a.width * a.height * a.count
    return f"largest {largest:g}; {beyond / max(count, 1):.4%} differ by more than 1; valid in one only {only_one / pixels:.4%}"


class Bench:
    def __init__(self, args):
        self.args = args
        self.scratch = Path(tempfile.mkdtemp(prefix="swath-maps-"))
        self.home = self.scratch / "home"

    def swath(self, *words):
        return [str(SWATH), "--home", str(self.home), "--threads", str(THREADS), *map(str, words)]

    def in_turn(self, commands, files):
        """CPU seconds of commands that may be None, in turn: cold, then warm."""
        cold, warm = ([[] for _ in commands] for _ in range(2))
        for _ in range(self.args.rounds):
            for figures, is_cold in ((cold, True), (warm, False)):
                for index, command in enumerate(commands):
                    if command:
                        if is_cold:
                            forget(files)
                        figures[index].append(measure(command))
        return [[median(figures)[0] if figures else None for figures in kind] for kind in (cold, warm)]

    def print_pairs(self, job, others, figures, goals):
        """A row for each of `others`, whose figures follow ours."""
        cold, warm = figures
        for number, (name, goal) in enumerate(zip(others, goals, strict=True), 1):
            cells = []
            for kind in (warm, cold):
                other = kind[number]
                cells += [f"{kind[0]:.2f} CPU s", f"{other:.2f} CPU s" if other is not None else "absent", ratio(kind[0], other)]
            print_row(f"{job} / {name}", *cells, goal)

    def run(self):
        self.find_data()
        wanted = self.args.only.split(",") if self.args.only else ["warp", "composite", "tiles", "latency"]
        head = ("ours warm", "other warm", "other / ours", "ours cold", "other cold", "other / ours", "goal")
        if "warp" in wanted:
            print_head("job", *head)
            self.run_warp()
        if "composite" in wanted:
            print_head("job", *head)
            self.run_composite()
        if self.rgb is None and {"tiles", "latency"} & set(wanted):
            return print("absent: an image *_rgb.tif in --data (see bench/README.md): no tiles are drawn", file=sys.stderr)
        if "tiles" in wanted:
            self.run_tiles()
        if "latency" in wanted:
            self.run_latency()

    def find_data(self):
        """The image to warp, the season to compose, the image to draw."""
        data = self.args.data
        named = lambda pattern: sorted(data.glob(pattern)) if data else []  # noqa: E731
        first = lambda *patterns: next((path for pattern in patterns for path in named(pattern)), None)  # noqa: E731
        self.band = first("quarter_s2_*_B04.tif", "s2_5490_B04.tif", "s2_*_B04.tif")
        self.items = first("stack_*/items.json")
        self.rgb = first("s2_5490_rgb.tif", "s2_*_rgb.tif")
        if self.band is None or self.items is None:
            print("absent: the generated data (see bench/README.md); a simulated season instead", file=sys.stderr)
            land = self.scratch / "land"
            measure(self.swath("simulate", "--out", land))
            self.band = self.band or sorted((land / "scenes").rglob("*B04*.tif"))[0]
            self.items = self.items or season_of(land)

    def run_warp(self):
        gdalwarp = shutil.which("gdalwarp")
        if not gdalwarp:
            print("absent: gdalwarp (Debian package gdal-bin); rasterio.warp instead", file=sys.stderr)
        for epsg, goal in WARP_GOALS.items():
            grid = self.target_grid(epsg)
            for compression in ("none", "zstd", "deflate"):
                ours, theirs = self.scratch / "ours.tif", self.scratch / "theirs.tif"
                command = self.ours_warp(epsg, grid, compression, ours)
                other = self.other_warp(gdalwarp, epsg, grid, compression, theirs)
                figures = self.in_turn([command, other], [self.band])
                name = "gdalwarp" if gdalwarp else "rasterio.warp"
                self.print_pairs(f"warp, bilinear, EPSG:{epsg}, {compression}", [name], figures, [goal])
                if other and compression != "none":
                    print(f"bytes: {ours.stat().st_size / theirs.stat().st_size - 1:+.1%} against {name}", file=sys.stderr)
            if gdalwarp:
                measure(self.ours_warp(epsg, grid, "none", ours, error=0))
                measure(self.other_warp(gdalwarp, epsg, grid, "none", theirs, error=0))
                print(f"EPSG:{epsg}, every position exact: {difference(ours, theirs)}", file=sys.stderr)

    def target_grid(self, epsg):
        """Bounds and size of the image in another CRS, in pixels of 10 m."""
        from rasterio import open as open_raster
        from rasterio.warp import calculate_default_transform

        with open_raster(self.band) as source:
            transform, width, height = calculate_default_transform(source.crs, f"EPSG:{epsg}", source.width, source.height,
                                                                   *source.bounds, resolution=10)
        west, north = transform.c, transform.f
        return (west, north - height * 10, west + width * 10, north), (width, height)

    def ours_warp(self, epsg, grid, compression, out, error=0.125):
        bounds, size = grid
        return self.swath("warp", self.band, out, "--crs", f"EPSG:{epsg}", "--bounds=" + ",".join(map(repr, bounds)),
                          "--size", f"{size[0]},{size[1]}", "--resampling", "bilinear", "--error", error, "--compress", compression,
                          "--overviews", "none", "--overwrite")

    def other_warp(self, gdalwarp, epsg, grid, compression, out, error=0.125):
        if not gdalwarp:
            if compression != "none":
                return None
            like = self.scratch / "like.tif"
            measure(self.ours_warp(epsg, grid, "none", like))
            return [sys.executable, str(CASES), "warp", "--source", str(self.band), "--like", str(like), "--out", str(out),
                    "--threads", str(THREADS)]
        bounds, size = grid
        options = [f"COMPRESS={compression.upper()}", f"PREDICTOR={PREDICTORS[compression]}"] if compression != "none" else []
        created = [word for option in ("TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "BIGTIFF=YES", f"NUM_THREADS={THREADS}", *options)
                   for word in ("-co", option)]
        return [gdalwarp, "-q", "-overwrite", "-t_srs", f"EPSG:{epsg}", "-te", *map(repr, bounds), "-ts", *map(str, size), "-r", "bilinear",
                "-et", str(error), "-multi", "-wo", f"NUM_THREADS={THREADS}", "-wm", "512", *created, "-oo", f"NUM_THREADS={THREADS}",
                str(self.band), str(out)]

    def run_composite(self):
        files = sorted(path for path in self.items.parent.rglob("*.tif") if not path.name.endswith("_S1.tif"))
        outs = {name: self.scratch / f"{name}.tif" for name in ("ours", "odc", "bottleneck")}
        ours = self.swath("composite", "--items", self.items, "--bands", "B02,B03,B04,B08", f"--mask-scl={DROPPED_CLASSES}",
                          "--method", "median", "-o", outs["ours"], "--compress", "none", "--overviews", "none", "--overwrite")
        commands, names = [ours], {"odc": ("odc-stac", ("odc.stac", "dask", "pystac")), "bottleneck": ("bottleneck", ("bottleneck",))}
        for case, (name, modules) in names.items():
            is_there = all(importlib.util.find_spec(module.split(".")[0]) for module in modules)
            if not is_there:
                say_absent(f"{name} (bench/requirements.txt)")
            commands.append(is_there and [sys.executable, str(CASES), case, "--items", str(self.items), "--out", str(outs[case]),
                                          "--threads", str(THREADS)])
        figures = self.in_turn(commands, files)
        self.print_pairs("median of all dates, clouds dropped", [name for name, _ in names.values()], figures, [">= 7 x", ">= 2.2 x"])
        for case, (name, _) in names.items():
            if outs[case].exists():
                print(f"{name}: {difference(outs['ours'], outs[case])}", file=sys.stderr)

    def servers(self, threads, store=""):
        """Our server, and the others that are there."""
        found = []
        for kind in (Ours, Titiler, MapServer):
            server = kind(self.rgb, self.scratch, threads, store)
            if missing := server.absent():
                say_absent(f"{server.name}: {missing}")
            else:
                found.append(server)
        return found

    def run_tiles(self):
        tiles = tiles_over(self.rgb, ZOOMS, self.args.each)
        cases = [("cold", 1), *(("warm", clients) for clients in self.args.clients)]
        figures = {}
        with self.temporary(self.servers(THREADS)) as servers:
            for server in servers:
                forget([self.rgb])
                figures[server.name, "cold", 1] = server.load(tiles, 1)
            # In turn, so that what else the machine does falls on all of them.
            for _ in range(self.args.rounds):
                for state, clients in cases[1:]:
                    for server in servers:
                        one = server.load(tiles, clients, passes=2)
                        figures.setdefault((server.name, state, clients), []).append(one)
            for key, value in figures.items():
                if isinstance(value, list):
                    figures[key] = {name: median([[one[name]] for one in value])[0] for name in value[0]}
            self.print_servers(f"{len(tiles)} tiles", servers, cases, figures)
            self.compare_pictures(servers, tiles)

    def print_servers(self, job, servers, cases, figures):
        print_head("tiles", "server", "CPU ms each", "its CPU / ours", "p50, p99 ms", "tiles/s", "kB each", "bytes / ours", "goal")
        goals = {"titiler": ">= 10 x", "MapServer": ">= 4 x"}
        for state, clients in cases:
            ours = figures["swath", state, clients]
            for server in servers:
                one = figures[server.name, state, clients]
                print_row(f"{job}, {state}, {clients} client{'s' * (clients > 1)}", server.name, f"{one['cpu_ms']:.2f}",
                          ratio(ours["cpu_ms"], one["cpu_ms"]) if one is not ours else "",
                          f"{one['p50_ms']:.1f}, {one['p99_ms']:.1f}", f"{one['count'] / one['wall_s']:.1f}",
                          f"{one['bytes_each'] / 1e3:.1f}", f"{one['bytes_each'] / ours['bytes_each']:.2f}", goals.get(server.name, ""))

    def compare_pictures(self, servers, tiles):
        """Says for each zoom how far the pictures of the others are from ours."""
        import numpy as np

        for other in servers[1:]:
            for zoom in ZOOMS:
                distances, shares = [], []
                for tile in [tile for tile in tiles if tile.zoom == zoom][:8]:
                    ours, theirs = picture_of(servers[0], tile), picture_of(other, tile)
                    seen = (ours[3] == 255) & (theirs[3] == 255)
                    distances.append(np.abs(ours[:3] - theirs[:3])[:, seen].ravel())
                    shares.append((ours[3] == theirs[3]).mean())
                distances = np.concatenate(distances)
                print(f"{other.name}, zoom {zoom}: {(distances <= 2).mean():.1%} within 2 of 255, mean {distances.mean():.2f}, largest "
                      f"{distances.max(initial=0)}; the same opacity on {np.mean(shares):.1%}", file=sys.stderr)

    def run_latency(self):
        if not TESTKIT.exists():
            return print(f"absent: {TESTKIT} (cargo build --release -p swath-testkit): nothing is measured with slow stores", file=sys.stderr)
        tiles = tiles_over(self.rgb, ZOOMS, max(self.args.each // 3, 1))
        for delay_ms in LATENCIES_MS:
            port_file = self.scratch / f"port-{delay_ms}"
            store = subprocess.Popen([str(TESTKIT), "--dir", str(self.rgb.parent), "--latency-ms", str(delay_ms), "--port-file", str(port_file)],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                while not (port_file.exists() and port_file.read_text().strip()):
                    time.sleep(0.05)
                self.run_slow(tiles, delay_ms, f"http://127.0.0.1:{port_file.read_text().strip()}")
            finally:
                store.terminate()
                store.wait()

    def run_slow(self, tiles, delay_ms, store):
        """Cold with each number of clients, in servers of their own; then warm."""
        figures, cases = {}, []
        for clients in self.args.clients:
            # MapServer answers one request per process: as many processes as could help.
            with self.temporary(self.servers(min(clients, 8), store)) as servers:
                for state in ("cold", "warm"):
                    cases.append((state, clients))
                    for server in servers:
                        figures[server.name, state, clients] = server.load(tiles, clients)
        self.print_servers(f"{len(tiles)} tiles, {delay_ms} ms per request of the store", servers, cases, figures)

    @contextmanager
    def temporary(self, servers):
        """Starts servers; stops them in the end."""
        with ExitStack() as stack:
            yield [stack.enter_context(server) for server in servers]


def picture_of(server, tile):
    """Red, green, blue and opacity of a tile."""
    import numpy as np
    from rasterio.io import MemoryFile

    with MemoryFile(server.get(server.path(tile))) as file, file.open() as source:
        bands, is_indexed = source.read().astype(int), source.count == 1 and source.colorinterp[0].name == "palette"
        if is_indexed:
            return np.array([source.colormap(1)[value] for value in bands.ravel()]).T.reshape(4, *bands.shape[1:])
    colors, opacity = (bands[:-1], bands[-1:]) if len(bands) in (2, 4) else (bands, np.full((1, *bands.shape[1:]), 255))
    return np.concatenate([np.broadcast_to(colors, (3, *bands.shape[1:])), opacity])


def season_of(land):
    """Gathers the items of a simulated season into one collection: those with the grid and scale of the first."""
    scenes = land / "scenes"
    features, grid = [], None
    for path in sorted(scenes.rglob("*.json")):
        item = json.loads(path.read_text())
        if item.get("type") != "Feature" or "SCL" not in item["assets"]:
            continue
        band = item["assets"]["B02"]
        own = [band.get(f"proj:{name}") for name in ("code", "shape", "transform")]
        # Where these differ our composite holds physical values.
        own += [where.get(f"raster:{name}") for where in (band, *band.get("bands", [])) for name in ("scale", "offset")]
        grid = grid or own
        if own != grid:
            continue
        for asset in item["assets"].values():
            asset["href"] = os.path.relpath(path.parent / asset["href"], scenes)
        features.append(item)
    items = scenes / "season.json"
    items.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return items


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("SWATH_BENCH_DATA"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="warp,composite,tiles,latency")
    parser.add_argument("--each", type=int, default=30, help="tiles of each zoom")
    parser.add_argument("--clients", type=lambda text: [int(word) for word in text.split(",")], default=[1, 8, 64])
    args = parser.parse_args()
    args.data = Path(args.data).resolve() if args.data else None
    bench = Bench(args)
    try:
        bench.run()
    finally:
        shutil.rmtree(bench.scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
