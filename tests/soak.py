"""Random requests against a running server, several at once: what the answers must be, and what they may cost.

An archive with a simulated season, an image that only its owner may see, and a private parcel set. Whoever asks is
nobody: private names and pixels may be in no answer, and asking for them by name must say what asking for nothing says.
"""

from __future__ import annotations

import gzip
import http.client
import io
import json
import os
import queue
import re
import shutil
import socket
import statistics
import threading
import time
import warnings
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
from rasterio.warp import transform_bounds

from random_requests import ABSENT, SECRET, Archive, Request, random_request
from season import COLLECTIONS, SET, Season

#: CPU of one answer, for each 4 Mi pixels of it.
CPU_S_MAX = 1.0
ANSWER_S_MAX = 60
AT_ONCE = 6
#: Files of tables that may be open (256), and what else a server has open.
OPEN_FILES_MAX = 300
PARTS = 10
# Failures of one kind that are told; the others are counted.
TOLD_MAX = 4
SECRET_VALUE = 54_321
#: What a request may consist of by RFC 3986; anything else HTTP itself refuses, without a face.
LETTERS = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*")
LINE_MAX = 60_000
#: What answers hold of clocks and dice.
VOLATILE = re.compile(rb'"processingTime":[0-9.e-]+|"id":"[0-9a-f-]{36}"|/query/files/[0-9a-f]+')


# The archive.


def make_archive(season: Season, home: Path) -> tuple[object, Archive]:
    """Copies the season's home and adds what is private; returns the program with it, and what there is to ask for."""
    shutil.copytree(season.swath.home, home, symlinks=True)
    swath = type(season.swath)(season.swath.binary, home)
    scenes = home / "archive" / "landscape" / "scenes"
    items = {name: sorted(path.stem for path in (scenes / name).glob("*/*.json")) for name in COLLECTIONS}
    first = json.loads((scenes / "s1-card-bs" / items["s1-card-bs"][0] / f"{items['s1-card-bs'][0]}.json").read_text())
    secret_bbox, secret_items = add_secret(swath, first, home)
    bands, assets = {}, {}
    for name in COLLECTIONS:
        item = json.loads((scenes / name / items[name][0] / f"{items[name][0]}.json").read_text())
        data = {key: asset for key, asset in item["assets"].items() if "data" in asset.get("roles", [])}
        assets[name] = sorted(data)
        bands[name] = sorted({band["name"] for key, asset in data.items() for band in asset.get("bands", [{"name": key}])})
    season_here = Season(swath, season.landscape)
    return swath, Archive(bands, {}, items, assets, [], season_here.parcel_ids(), SET, [], tuple(first["bbox"]), secret_bbox, secret_items)


def add_secret(swath, public: dict, home: Path) -> tuple[tuple, list[str]]:
    """Adds a private image of the season's place and of as much to the east, and a private parcel set."""
    folder = home / "archive" / SECRET
    folder.mkdir()
    asset = next(iter(public["assets"].values()))
    width, height = asset["proj:shape"][1] * 2, asset["proj:shape"][0]
    step, _, west, _, _, north = asset["proj:transform"][:6]
    code = asset.get("proj:code") or public["properties"]["proj:code"]
    names = []
    for number, day in enumerate(("2021-06-19", "2021-12-30")):
        name = f"{SECRET}-item-{number}"
        names.append(name)
        place = rasterio.Affine(step, 0, west, 0, -step, north)
        with rasterio.open(folder / f"{name}.tif", "w", driver="GTiff", width=width, height=height, count=1, dtype="uint16", crs=code,
                           transform=place, tiled=True, blockxsize=128, blockysize=128) as file:  # fmt: skip
            file.write(np.full((1, height, width), SECRET_VALUE, "uint16"))
        bounds = transform_bounds(code, "OGC:CRS84", west, north - height * step, west + width * step, north)
        left, low, right, high = bounds
        ring = [[left, low], [right, low], [right, high], [left, high], [left, low]]
        image = {"href": f"./{name}.tif", "type": "image/tiff; application=geotiff", "roles": ["data"], "proj:code": code,
                 "proj:shape": [height, width], "proj:transform": list(place)[:6], "bands": [{"name": "b1"}]}  # fmt: skip
        item = {"type": "Feature", "stac_version": "1.1.0", "id": name, "properties": {"datetime": f"{day}T10:00:00Z", "platform": SECRET}, "links": [],
                "geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": bounds, "assets": {"image": image}}  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(item))
    extent = {"spatial": {"bbox": [bounds]}, "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]}}
    collection = {"type": "Collection", "stac_version": "1.1.0", "id": SECRET, "title": f"The {SECRET}", "description": SECRET, "license": "other",
                  "links": [], "extent": extent, "swath:visibility": "private"}  # fmt: skip
    (home / f"{SECRET}.json").write_text(json.dumps(collection))
    swath("items", "import", folder, "--collection", SECRET, "--collection-file", home / f"{SECRET}.json")
    swath("extract", "--collection", SECRET, "--parcels", SET)
    middle = (bounds[0] + bounds[2]) / 2
    ring = [[middle, low], [right, low], [right, high], [middle, high], [middle, low]]
    parcel = {"type": "Feature", "properties": {"parcel_id": f"{SECRET}-1"}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    (home / f"{SECRET}.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [parcel]}))
    swath("parcels", "import", home / f"{SECRET}.geojson", "--name", SECRET, "--id", "parcel_id", "--visibility", "private")
    # A little within, since its edges are slanted in degrees.
    return (middle + 0.001, low + 0.001, right - 0.001, high - 0.001), names


def complete(archive: Archive, client: Client) -> None:
    """Asks a fresh server for the names that are its own to give."""
    layers = json.loads(client.fetch("/tiles").body)["layers"]
    archive.styles = {layer["name"]: [style if isinstance(style, str) else style["name"] for style in layer["styles"]] for layer in layers}
    assert SECRET not in archive.styles
    products = json.loads(client.fetch("/odata/v1/Products?$top=20").body)["value"]
    archive.uuids = [product["Id"] for product in products]
    archive.files = re.findall(r"assets/[\w.-]+|icon\.svg", client.fetch("/").body.decode())
    # Tiles are prepared by the first who asks.
    assert client.fetch(f"/parcels/{SET}/tiles/tilejson.json").status == 200


# Asking.


@dataclass
class Reply:
    status: int
    kind: str
    #: How it may be kept.
    cache: str
    #: As it is after decompression.
    body: bytes

    def pixels(self) -> int:
        """Of a PNG, by its head."""
        if not self.body.startswith(b"\x89PNG"):
            return 0
        return int.from_bytes(self.body[16:20], "big") * int.from_bytes(self.body[20:24], "big")


class Client:
    """One connection, opened again where the server closed it. Sends paths as they are."""

    def __init__(self, url: str):
        host, port = url.removeprefix("http://").split(":")
        self.host, self.address, self.socket = f"{host}:{port}", (host, int(port)), None

    def fetch(self, path: str) -> Reply:
        return self.send(Request(0, "", path))

    def send(self, request: Request) -> Reply:
        """Returns the answer; asks once more where an idle connection had been closed."""
        is_fresh = self.socket is None
        try:
            return self.exchange(request)
        except (ConnectionError, http.client.RemoteDisconnected):
            self.close()
            if is_fresh:
                raise
            return self.exchange(request)

    def exchange(self, request: Request) -> Reply:
        self.write(message(request, self.host))
        response = http.client.HTTPResponse(self.socket, method=request.method)
        response.begin()
        body = response.read()
        if response.will_close:
            self.close()
        if response.headers.get("content-encoding") == "gzip" and body:
            body = gzip.decompress(body)
        kind, cache = (response.headers.get(name) or "" for name in ("content-type", "cache-control"))
        return Reply(response.status, kind, cache, body)

    def write(self, content: bytes) -> None:
        if self.socket is None:
            self.socket = socket.create_connection(self.address, timeout=ANSWER_S_MAX)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(content)

    def drop(self, request: Request) -> None:
        """Asks, and is gone before the answer, now and then before the question is complete."""
        content = message(request, self.host)
        self.close()
        self.write(content if request.number % 3 else content[: len(content) * 2 // 3])
        # This is no waiting for anything: it is when the client goes.
        time.sleep(request.drop_s)
        self.close()

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def message(request: Request, host: str) -> bytes:
    head = [f"{request.method} {request.path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in request.headers.items())]
    if request.body is not None:
        head.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join([*head, "", ""]).encode() + (request.body or b"")


# Judging.


def fault_of(request: Request, reply: Reply) -> str | None:
    """Returns what is wrong with an answer."""
    if SECRET.encode() in reply.body.lower() and not request.names_secret():
        return "names what is private"
    if reply.status >= 500 and not (reply.status == 501 and request.face in ("ows", "odata", "junk")):
        return "a failure of the server"
    is_odd = not LETTERS.fullmatch(request.path) or len(request.path) > LINE_MAX
    if reply.status in (400, 414, 431) and not reply.body and is_odd:
        return None
    if request.method in ("HEAD", "OPTIONS") or reply.status in (204, 304):
        return None
    refusal = is_refusal(reply)
    if refusal and (wrong := wrong_form(request, reply)):
        return wrong
    if request.wants == "answer" and refusal:
        return "a good request is refused"
    if request.wants == "refusal" and not refusal:
        return "a bad request is answered"
    return None if refusal else wrong_answer(request, reply)


def is_refusal(reply: Reply) -> bool:
    return reply.status >= 400 or (reply.status == 200 and b"<ServiceException" in reply.body[:1_000])


def wrong_form(request: Request, reply: Reply) -> str | None:
    """Refusals have the form of the protocol."""
    path = request.path.split("?")[0]
    face = next((face for face in ("/ows", "/wmts", "/resto", "/odata") if path == face or path.startswith(face + "/")), "")
    try:
        if face in ("/ows", "/wmts"):
            root = ET.fromstring(reply.body)
            ends = ("}ServiceExceptionReport", "}ExceptionReport", "ServiceExceptionReport")
            return None if root.tag.endswith(ends) and "".join(root.itertext()).strip() else "no report of exceptions"
        said = json.loads(reply.body)
    except (ET.ParseError, ValueError):
        return f"a refusal that cannot be read: {reply.kind}"
    if face == "/resto":
        is_right = said.keys() == {"ErrorMessage", "ErrorCode"} and said["ErrorMessage"]
    elif face == "/odata":
        is_right = said.keys() == {"error"} and said["error"]["code"] and said["error"]["message"]
    else:
        is_right = said.keys() == {"code", "description"} and said["code"] and said["description"]
    return None if is_right else "a refusal in a form of its own"


def wrong_answer(request: Request, reply: Reply) -> str | None:
    try:
        if "json" in reply.kind:
            json.loads(reply.body)
        elif "xml" in reply.kind and reply.body:
            ET.fromstring(reply.body)
        if reply.kind.startswith("image/") and "svg" not in reply.kind and request.is_of_secret_place:
            return None if is_blank(reply) else "pixels where only private images are"
        if request.path.split("?")[0].endswith(".npy") and reply.status == 200:
            values = np.load(io.BytesIO(reply.body))
            if (values[:-1] >= SECRET_VALUE).any() or (request.is_of_secret_place and values[-1].any()):
                return "values of a private image"
    except (ET.ParseError, ValueError, rasterio.errors.RasterioError) as error:
        return f"an answer that cannot be read as {reply.kind}: {error}"
    return None


def is_blank(reply: Reply) -> bool:
    """Whether a picture shows nothing: transparent, white, or without values."""
    with warnings.catch_warnings():
        # Pictures have no place.
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        return is_blank_file(reply)


def is_blank_file(reply: Reply) -> bool:
    with rasterio.MemoryFile(reply.body) as file, file.open() as image:
        pixels = image.read()
        if "tif" in reply.kind:
            return bool(np.isnan(pixels).all())
        if image.count == 1 and rasterio.enums.ColorInterp.palette in image.colorinterp:
            colors = np.array([image.colormap(1)[index] for index in np.unique(pixels)])
            return bool((colors[:, 3] == 0).all() or (colors[:, :3] == 255).all())
        is_clear = image.count in (2, 4) and not pixels[-1].any()
        return bool(is_clear or (pixels >= 250).all())


def is_drawn_failure(request: Request, reply: Reply) -> bool:
    """Whether this is a picture of words, as WMS may be asked for."""
    return reply.status == 200 and reply.kind.startswith("image/") and "inimage" in request.path.lower() and "no-store" in reply.cache


def twin_of(request: Request) -> Request:
    """The same for something that was never there."""
    body = request.body and request.body.replace(SECRET.encode(), ABSENT.encode())
    return Request(request.number, request.face, request.path.replace(SECRET, ABSENT), request.method, request.headers, body)


# Running.


@dataclass
class Part:
    """What the process had during a part of the requests, and after them."""

    #: Median, with what requests under way have.
    memory_mib: float
    #: The least, when little was under way.
    memory_min_mib: float
    open_files: int


@dataclass
class Outcome:
    requests: int = 0
    statuses: Counter = field(default_factory=Counter)
    faces: Counter = field(default_factory=Counter)
    dropped: int = 0
    twins: int = 0
    #: What is wrong → how often, and the first requests.
    failures: dict[str, list[str]] = field(default_factory=dict)
    failed: Counter = field(default_factory=Counter)
    parts: list[Part] = field(default_factory=list)
    cpu_s: float = 0.0
    wall_s: float = 0.0
    #: The dearest answers that were asked for again by themselves: CPU seconds for each budget, and the request.
    dearest: tuple[float, str] = (0.0, "")

    def growth(self) -> float:
        """Memory in the last tenth as a share of that in the second."""
        return self.parts[-1].memory_mib / self.parts[1].memory_mib


class Soak:
    """Sends `count` requests of a seed in ten parts; between them nothing runs, and open files are counted."""

    def __init__(self, url: str, process: int, archive: Archive, seed: int, cpu_s_max: float = CPU_S_MAX):
        self.url, self.process, self.archive, self.seed, self.cpu_s_max = url, process, archive, seed, cpu_s_max
        # The number by which Linux knows the CPU clock of another process.
        self.clock = (~process << 3) | 2
        self.outcome = Outcome()
        self.lock = threading.Lock()
        self.suspects: list[Request] = []

    def run(self, count: int, told=lambda part, outcome: None) -> Outcome:
        """Sends all; `told` is called after each part with its number."""
        start, cpu = time.monotonic(), time.clock_gettime(self.clock)
        for part in range(PARTS):
            numbers = queue.SimpleQueue()
            for number in range(count * part // PARTS, count * (part + 1) // PARTS):
                numbers.put(number)
            memory: list[float] = []
            threads = [threading.Thread(target=self.work, args=(numbers, memory)) for _ in range(AT_ONCE)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.outcome.parts.append(Part(statistics.median(memory), min(memory), self.open_files()))
            self.look_at_suspects()
            told(part, self.outcome)
        self.outcome.wall_s, self.outcome.cpu_s = time.monotonic() - start, time.clock_gettime(self.clock) - cpu
        return self.outcome

    def work(self, numbers: queue.SimpleQueue, memory: list[float]) -> None:
        client = Client(self.url)
        while True:
            try:
                number = numbers.get_nowait()
            except queue.Empty:
                client.close()
                return
            request = random_request(self.archive, self.seed, number)
            try:
                self.one(client, request)
            except (OSError, http.client.HTTPException, EOFError) as error:
                client.close()
                self.fail(request, "no answer", repr(error))
            if number % 20 == 0:
                memory.append(self.memory_mib())

    def one(self, client: Client, request: Request) -> None:
        before = time.clock_gettime(self.clock)
        if request.drop_s is not None:
            client.drop(request)
            self.count(request, None)
            return
        reply = client.send(request)
        # What others cost in that time is in it: this is an upper bound.
        if time.clock_gettime(self.clock) - before > self.cpu_s_max * request.budgets():
            with self.lock:
                self.suspects.append(request)
        self.count(request, reply)
        if fault := fault_of(request, reply):
            self.fail(request, fault, f"{reply.status} {reply.body[:300]!r}")
        if request.names_secret():
            twin = client.send(twin_of(request))
            with self.lock:
                self.outcome.twins += 1
            ours, theirs = (VOLATILE.sub(b"", answer.body) for answer in (reply, twin))
            if is_drawn_failure(request, reply) and is_drawn_failure(request, twin):
                # The picture shows the name that was asked for.
                return
            if (reply.status, ours) != (twin.status, theirs.replace(ABSENT.encode(), SECRET.encode())):
                self.fail(request, "tells that something is there", f"{reply.status} {ours[:200]!r}, else {twin.status} {theirs[:200]!r}")

    def count(self, request: Request, reply: Reply | None) -> None:
        with self.lock:
            self.outcome.requests += 1
            self.outcome.faces[request.face] += 1
            self.outcome.dropped += reply is None
            if reply is not None:
                self.outcome.statuses[reply.status] += 1

    def fail(self, request: Request, kind: str, what: str) -> None:
        kind = f"{request.face}: {kind}"
        with self.lock:
            self.outcome.failed[kind] += 1
            told = self.outcome.failures.setdefault(kind, [])
            if len(told) < TOLD_MAX:
                body = f" {request.body[:100]!r}" if request.body else ""
                told.append(f"{request.number} {request.method} {request.path[:400]}{body} {request.headers}: {what}")

    def look_at_suspects(self) -> None:
        """Asks by itself what might have cost too much."""
        client = Client(self.url)
        for request in self.suspects:
            before = time.clock_gettime(self.clock)
            reply = client.send(request)
            cost = time.clock_gettime(self.clock) - before
            request.pixels = max(request.pixels, reply.pixels())
            cost /= request.budgets()
            self.outcome.dearest = max(self.outcome.dearest, (cost, f"{request.number} {request.path[:200]}"))
            if cost > self.cpu_s_max:
                self.fail(request, "too dear", f"{cost:.2f} s of CPU")
        self.suspects.clear()
        client.close()

    def memory_mib(self) -> float:
        status = Path(f"/proc/{self.process}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def open_files(self) -> int:
        """Open files and sockets, once the connections that are over are closed."""
        deadline = time.monotonic() + 10
        least = seen = len(os.listdir(f"/proc/{self.process}/fd"))
        is_same = 0
        while is_same < 5 and time.monotonic() < deadline:
            time.sleep(0.02)
            seen = len(os.listdir(f"/proc/{self.process}/fd"))
            is_same = is_same + 1 if seen >= least else 0
            least = min(least, seen)
        return least
