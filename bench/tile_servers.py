"""Servers that draw 256 x 256 pictures of one image of three bands: ours, titiler, MapServer.

Each is started with a cache of CACHE_MIB for decoded blocks and asked for the same tiles of WebMercatorQuad (MapServer: the
same boxes through WMS 1.1.1), bilinear, 1000 to 4000 as 0 to 255, PNG.
"""
import importlib.util, json, math, os, random, re, shutil, socket, subprocess, sys, time, urllib.parse, urllib.request
from dataclasses import dataclass
from pathlib import Path

from bench import SWATH

# What our server keeps; the others are told so.
CACHE_MIB = 256
START_S_MAX = 120
LOW, HIGH = 1000, 4000
HALF_WORLD_M = 20037508.342789244
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Tile:
    zoom: int
    col: int
    row: int

    def box(self):
        """West, south, east, north in EPSG:3857."""
        side = 2 * HALF_WORLD_M / 2**self.zoom
        west, north = self.col * side - HALF_WORLD_M, HALF_WORLD_M - self.row * side
        return west, north - side, west + side, north


def tiles_over(image, zooms, each, seed=1):
    """Up to `each` tiles of every zoom over the middle of an image, in random order."""
    import rasterio
    from rasterio.warp import transform_bounds

    with rasterio.open(image) as source:
        west, south, east, north = transform_bounds(source.crs, "EPSG:3857", *source.bounds)
    width, height = (east - west) * 0.03, (north - south) * 0.03
    west, south, east, north = west + width, south + height, east - 3 * width, north - height
    chosen, order = [], random.Random(seed)
    for zoom in zooms:
        side = 2 * HALF_WORLD_M / 2**zoom
        cols = range(math.floor((west + HALF_WORLD_M) / side), math.floor((east + HALF_WORLD_M) / side) + 1)
        rows = range(math.floor((HALF_WORLD_M - north) / side), math.floor((HALF_WORLD_M - south) / side) + 1)
        found = [Tile(zoom, col, row) for col in cols for row in rows]
        order.shuffle(found)
        chosen.extend(found[:each])
    order.shuffle(chosen)
    return chosen


def processes(pid):
    """A process and all below it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    found = [pid]
    for one in found:
        found.extend(child for child, parent in parents.items() if parent == one)
    return found


def cpu_seconds(pid):
    """User + system of a process and all below it, and of those that have ended."""
    ticks = 0
    for one in processes(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running server; `path` says how a tile is asked for. To be used with `with`."""

    name = ""

    def __init__(self, local, scratch, threads, store=""):
        # What it opens: the file, or the same file behind the URL of a store.
        self.local, self.image = local, f"{store}/{local.name}" if store else str(local)
        self.scratch, self.threads = scratch, threads
        self.port, self.process = free_port(), None

    def absent(self):
        """What is missing, if anything."""
        return None

    def environment(self):
        """The environment of what reads through GDAL."""
        return {**os.environ, "GDAL_CACHEMAX": str(CACHE_MIB), "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "VSI_CACHE": "TRUE",
                "GDAL_NUM_THREADS": "1", "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES", "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif"}

    def start(self, command, env=None, cwd=None):
        log = self.scratch / f"{self.name}.log"
        with log.open("wb") as out:
            self.process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=out, env=env, cwd=cwd)
        end = time.monotonic() + START_S_MAX
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"{self.name} does not answer: {log.read_text(errors='replace')[-2000:]}")

    def __enter__(self):
        self.launch()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=START_S_MAX) as answer:
            body = answer.read()
            if not body.startswith(b"\x89PNG"):
                raise SystemExit(f"{self.name}: {path}: {body[:500]!r}")
            return body

    def load(self, tiles, clients, passes=1):
        """Asks for all tiles; returns the figures of bench/load.py with `cpu_ms` of the server for each."""
        paths = self.scratch / "paths.txt"
        paths.write_text("\n".join(map(self.path, tiles)))
        command = [sys.executable, Path(__file__).with_name("load.py"), "--port", self.port, "--paths", paths, "--clients", clients,
                   "--passes", passes]
        before = cpu_seconds(self.process.pid)
        done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
        figures = json.loads(done.stdout)
        if figures["failed"]:
            raise SystemExit(f"{self.name}: {figures['failed']} of {figures['count']} requests failed")
        return figures | {"cpu_ms": (cpu_seconds(self.process.pid) - before) / figures["count"] * 1e3}


class Ours(Server):
    """`swath serve` with a catalogue of one item."""

    name = "swath"

    def launch(self):
        home = self.scratch / f"home-{self.port}"
        home.mkdir(parents=True)
        folder, name = self.image.rsplit("/", 1)
        (home / "swath.toml").write_text(f'[stores.image]\nprefix = "{folder}/"\n')
        swath = [str(SWATH), "--home", str(home), "--threads", str(self.threads)]
        (home / "item.ndjson").write_text(json.dumps(item_of(self.local, f"image:{name}")))
        (home / "collection.json").write_text(json.dumps(COLLECTION | {"swath:prefixes": [f"image:{name}"]}))
        subprocess.run([*swath, "items", "import", home / "item.ndjson", "--collection", COLLECTION["id"], "--collection-file",
                        home / "collection.json"], check=True, capture_output=True)
        self.start([*swath, "serve", "--port", self.port], env={**os.environ, "SWATH_LOG": "warn"})

    def path(self, tile):
        return (f"/tiles/{COLLECTION['id']}/WebMercatorQuad/{tile.zoom}/{tile.col}/{tile.row}.png"
                f"?expression=b1;b2;b3&rescale={LOW},{HIGH}&resampling=bilinear")


class Titiler(Server):
    """titiler.core in one process of uvicorn."""

    name = "titiler"
    APPLICATION = ("from fastapi import FastAPI\nfrom titiler.core.factory import TilerFactory\n"
                   "app = FastAPI()\napp.include_router(TilerFactory().router)\n")

    def absent(self):
        missing = [name for name in ("titiler", "uvicorn") if importlib.util.find_spec(name) is None]
        return f"{', '.join(missing)} (bench/requirements.txt)" if missing else None

    def launch(self):
        (self.scratch / "tiler.py").write_text(self.APPLICATION)
        command = [sys.executable, "-m", "uvicorn", "tiler:app", "--port", self.port, "--workers", 1, "--log-level", "error",
                   "--no-access-log"]
        self.start(command, self.environment(), self.scratch)

    def path(self, tile):
        return (f"/tiles/WebMercatorQuad/{tile.zoom}/{tile.col}/{tile.row}.png?url={urllib.parse.quote(self.image, safe='')}"
                f"&bidx=1&bidx=2&bidx=3&rescale={LOW},{HIGH}&resampling=bilinear&reproject=bilinear")


class MapServer(Server):
    """MapServer as FastCGI behind lighttpd: as many processes as clients use, which share the bytes of the cache."""

    name = "MapServer"
    MAP = """MAP NAME "bench" SIZE 256 256 MAXSIZE 4096 IMAGETYPE "png" EXTENT {extent}
PROJECTION "init=epsg:3857" END
OUTPUTFORMAT NAME "png" DRIVER "AGG/PNG" MIMETYPE "image/png" IMAGEMODE RGB EXTENSION "png" END
WEB METADATA "ows_enable_request" "*" "ows_srs" "EPSG:3857" "ows_title" "bench" "ows_onlineresource" "http://127.0.0.1/" END END
LAYER NAME "rgb" TYPE RASTER STATUS ON DATA "{data}" PROJECTION "init=epsg:{epsg}" END
PROCESSING "BANDS=1,2,3" PROCESSING "SCALE={low},{high}" PROCESSING "RESAMPLE=BILINEAR" PROCESSING "CLOSE_CONNECTION=DEFER" END
END
"""
    LIGHTTPD = """server.document-root="{folder}" server.port={port} server.bind="127.0.0.1" server.modules=("mod_fastcgi")
fastcgi.server=("/ms"=>(("socket"=>"{folder}/mapserver.socket","bin-path"=>"{program}","check-local"=>"disable",
"max-procs"=>{processes},"bin-environment"=>({environment}))))
"""

    def absent(self):
        missing = [name for name in ("mapserv", "lighttpd") if shutil.which(name) is None]
        return f"{', '.join(missing)} (Debian packages cgi-mapserver, lighttpd)" if missing else None

    def launch(self):
        folder = self.scratch / f"mapserver-{self.port}"
        folder.mkdir()
        self.map = folder / "bench.map"
        data = re.sub(r"^(https?://)", r"/vsicurl/\1", self.image)
        extent = f"{-HALF_WORLD_M} {-HALF_WORLD_M} {HALF_WORLD_M} {HALF_WORLD_M}"
        self.map.write_text(self.MAP.format(data=data, epsg=epsg_of(self.local), extent=extent, low=LOW, high=HIGH))
        (folder / "mapserver.conf").write_text('CONFIG\n ENV\n  MS_MAP_PATTERN "."\n END\nEND\n')
        environment = self.environment() | {"MAPSERVER_CONFIG_FILE": str(folder / "mapserver.conf"),
                                            "GDAL_CACHEMAX": str(CACHE_MIB // self.threads)}
        names = [name for name in environment if name.startswith(("GDAL_", "VSI_", "CPL_", "MAPSERVER_"))]
        words = ",".join(f'"{name}"=>"{environment[name]}"' for name in names)
        (folder / "lighttpd.conf").write_text(self.LIGHTTPD.format(folder=folder, port=self.port, program=shutil.which("mapserv"),
                                                                    processes=self.threads, environment=words))
        self.start(["lighttpd", "-D", "-f", folder / "lighttpd.conf"])

    def path(self, tile):
        box = ",".join(f"{value:.6f}" for value in tile.box())
        return (f"/ms?map={self.map}&SERVICE=WMS&VERSION=1.1.1&REQUEST=GetMap&LAYERS=rgb&STYLES=&SRS=EPSG:3857&BBOX={box}"
                "&WIDTH=256&HEIGHT=256&FORMAT=image/png")


COLLECTION = {
    "type": "Collection", "stac_version": "1.1.0", "id": "bench", "description": "One image.", "license": "other", "links": [],
    "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2018-01-01T00:00:00Z", None]]}},
    "swath:visibility": "public",
}


def epsg_of(image):
    import rasterio

    with rasterio.open(image) as source:
        return source.crs.to_epsg()


def item_of(image, href):
    """An item of the three bands of an image."""
    import rasterio
    from rasterio.warp import transform_bounds

    with rasterio.open(image) as source:
        crs, shape, transform, bounds = source.crs, source.shape, list(source.transform)[:6], source.bounds
    west, south, east, north = transform_bounds(crs, "OGC:CRS84", *bounds)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    asset = {"href": href, "type": "image/tiff; application=geotiff", "roles": ["data"], "proj:code": crs.to_string(),
             "proj:shape": list(shape), "proj:transform": transform, "bands": [{"name": f"b{number}"} for number in (1, 2, 3)]}
    return {"type": "Feature", "stac_version": "1.1.0", "id": "image", "collection": COLLECTION["id"], "links": [],
            "properties": {"datetime": "2018-06-01T10:30:00Z"}, "geometry": {"type": "Polygon", "coordinates": [ring]},
            "bbox": [west, south, east, north], "assets": {"image": asset}}
