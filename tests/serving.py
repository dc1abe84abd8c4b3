"""A served archive with a few products, for the tests of the dialects of the agencies' platforms."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START_S = 30
# What one hostile request may cost.
CPU_S_MAX = 1.0
MEMORY_KIB_MAX = 64 << 10
COLLECTIONS = ("sentinel-2-l2a", "sentinel-1-grd", "s1-card-bs", "s1-card-coh6")

S2_NAME = "S2A_MSIL2A_20180506T105029_N0500_R051_T31UFS_20230901T000000"
S2_CLOUDY = "S2B_MSIL2A_20180511T105029_N0500_R051_T31UFS_20230901T000000"
S2_OTHER_TILE = "S2A_MSIL2A_20180506T105029_N0500_R051_T31UES_20230901T000000"
GRD_NAME = "S1A_IW_GRDH_1SDV_20180501T055811_20180501T055836_021708_025743_1A2B"
CARD_NAME = f"{GRD_NAME}_CARD_BS"
COH_NAME = "S1A_S1B_20180501T055811_20180507T055726_COH6"


def square(west: float, south: float, size: float = 1.0) -> dict:
    east, north = west + size, south + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def item(name: str, collection: str, geometry: dict, assets: dict, **properties) -> dict:
    ring = geometry["coordinates"][0]
    xs, ys = [x for x, _ in ring], [y for _, y in ring]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": collection,
        "geometry": geometry,
        "bbox": [min(xs), min(ys), max(xs), max(ys)],
        "properties": properties,
        "links": [],
        "assets": assets,
    }


def sentinel2(name: str, datetime: str, tile: str, cloud_cover: float, geometry: dict, assets: dict) -> dict:
    properties = {
        "datetime": datetime,
        "platform": f"sentinel-{name[1:3].lower()}",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": cloud_cover,
        "sat:relative_orbit": 51,
        "sat:absolute_orbit": 14991,
        "sat:orbit_state": "descending",
        "grid:code": f"MGRS-{tile}",
        "processing:level": "L2A",
        "product:type": "S2MSI2A",
        "s2:product_uri": f"{name}.SAFE",
        "s2:processing_baseline": "05.00",
    }
    return item(name, "sentinel-2-l2a", geometry, assets, **properties)


def sentinel1(name: str, collection: str, assets: dict) -> dict:
    properties = {
        "datetime": "2018-05-01T05:58:11.123Z",
        "start_datetime": "2018-05-01T05:58:11.123Z",
        "end_datetime": "2018-05-01T05:58:36.122Z",
        "platform": "sentinel-1a",
        "constellation": "sentinel-1",
        "instruments": ["c-sar"],
        "sar:instrument_mode": "IW",
        "sar:polarizations": ["VV", "VH"],
        "sat:relative_orbit": 37,
        "sat:absolute_orbit": 21708,
        "sat:orbit_state": "descending",
    }
    return item(name, collection, square(3.0, 50.0, 3.0), assets, **properties)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)


@dataclass
class Served:
    """A running server over an archive in a folder."""

    swath: object
    folder: Path
    process: subprocess.Popen
    url: str
    #: A token of the operator.
    token: str
    files: dict[str, bytes] = field(default_factory=dict)

    def get(self, path: str, headers: dict | None = None, method: str = "GET", body: bytes | None = None) -> Answer:
        url = path if path.startswith("http") else f"{self.url}{path}"
        request = urllib.request.Request(url, headers=headers or {}, method=method, data=body)
        opener = urllib.request.build_opener(NoRedirect)
        try:
            with opener.open(request, timeout=30) as answer:
                return Answer(answer.status, lower(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, lower(error.headers), error.read())

    @contextmanager
    def within_limits(self):
        """Checks what the requests inside cost the server."""
        before = self.costs()
        yield
        after = self.costs()
        assert after[0] - before[0] <= CPU_S_MAX, f"{after[0] - before[0]} s of CPU"
        assert after[1] - before[1] <= MEMORY_KIB_MAX, f"{after[1] - before[1]} KiB"

    def costs(self) -> tuple[float, int]:
        """CPU seconds, and the largest memory that the process ever had, in KiB."""
        folder = Path(f"/proc/{self.process.pid}")
        fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return cpu_s, int(re.search(r"VmHWM:\s+(\d+)", (folder / "status").read_text()).group(1))

    def uuid_of(self, name: str) -> str:
        found = self.get(f"/odata/v1/Products?$filter=Name%20eq%20%27{name}%27").json()["value"]
        return found[0]["Id"]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args, **_options):
        return None


def lower(headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def write_product(archive: Path) -> dict[str, bytes]:
    """Writes the agency's own files of one product; returns them by path in the product."""
    folder = archive / "sentinel-2-l2a/2018/05/06" / S2_NAME
    files = {
        "manifest.safe": b"<xfdu/>",
        "INSPIRE.xml": b"",
        "GRANULE/L2A_T31UFS/IMG_DATA/R10m/T31UFS_B04_10m.jp2": bytes(range(256)) * 12_000,
        "GRANULE/L2A_T31UFS/MTD_TL.xml": b"<n1/>" * 300,
        "HTML/\u00fcber.html": b"<p/>",
    }
    for path, content in files.items():
        target = folder / f"{S2_NAME}.SAFE" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (folder / "B04_10m.tif").write_bytes(b"II*\0" * 1_000)
    return files


def products() -> list[dict]:
    place = f"archive:sentinel-2-l2a/2018/05/06/{S2_NAME}"
    band = f"{place}/{S2_NAME}.SAFE/GRANULE/L2A_T31UFS/IMG_DATA/R10m/T31UFS_B04_10m.jp2"
    kept = {
        "B04_10m": {
            "href": f"{place}/B04_10m.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
            "file:size": 4_000,
            "alternate": {"original": {"href": band, "type": "image/jp2", "file:size": 3_072_000}},
        },
        "safe_manifest": {
            "href": f"{place}/{S2_NAME}.SAFE/manifest.safe",
            "type": "application/xml",
            "roles": ["metadata"],
            "file:size": 7,
        },
    }
    utm = square(4.0, 50.5)
    return [
        sentinel2(S2_NAME, "2018-05-06T10:50:29.027Z", "31UFS", 4.25, utm, kept),
        sentinel2(S2_CLOUDY, "2018-05-11T10:50:29.027Z", "31UFS", 88.5, utm, {}),
        sentinel2(S2_OTHER_TILE, "2018-05-06T10:50:29.027Z", "31UES", 12.0, square(2.5, 50.5), {}),
        sentinel1(GRD_NAME, "sentinel-1-grd", {}),
        sentinel1(CARD_NAME, "s1-card-bs", {}),
        sentinel1(COH_NAME, "s1-card-coh6", {}),
    ]


def start(swath, folder: Path) -> Served:
    """Starts a server over an archive below `folder` that holds the products above."""
    archive = folder / "archive"
    files = write_product(archive)
    swath.home.mkdir(parents=True, exist_ok=True)
    (swath.home / "swath.toml").write_text(f'[stores.archive]\nprefix = "{archive}"\n')
    token = swath("token", "create", "--name", "tests", "--role", "operator").stdout.strip()
    log = (folder / "server.log").open("wb")
    process = swath.start("serve", "--port", "0", stdout=subprocess.DEVNULL, stderr=log)
    served = Served(swath, folder, process, listening(folder / "server.log", process), token, files)
    heads = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for collection in COLLECTIONS:
        known = served.get(f"/stac/collections/{collection}").json()
        known.pop("links", None)
        known["links"] = []
        known["swath:prefixes"] = [f"archive:{collection}"]
        answer = served.get(f"/stac/collections/{collection}", heads, "PUT", json.dumps(known).encode())
        assert answer.status in (200, 204), answer.body
    for product in products():
        path = f"/stac/collections/{product['collection']}/items"
        answer = served.get(path, heads, "POST", json.dumps(product).encode())
        assert answer.status in (200, 201), answer.body
    return served


def listening(log: Path, process: subprocess.Popen) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        found = re.search(r"listening on (http://[^/\s]+)", log.read_text())
        if found:
            return found.group(1)
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)
    raise AssertionError(f"no server after {START_S} s: {log.read_text()}")


def stop(served: Served) -> None:
    served.process.terminate()
    try:
        served.process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        served.process.kill()
        served.process.wait()
