"""The real server on a free port with a temporary home, and the items that the tests load into it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet
import requests
import shapely

START_S_MAX = 30
STOP_S_MAX = 20
LOOK_S = 0.002
COLLECTION = "sentinel-2-l2a"
LISTENING = re.compile(r"listening on (http://\S+)/stac")


@dataclass
class Server:
    """A running server."""

    url: str
    process: subprocess.Popen
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def stac(self) -> str:
        return f"{self.url}/stac"

    def get(self, path: str, **options) -> requests.Response:
        return self.session.get(f"{self.url}{path}", timeout=60, **options)

    def post(self, path: str, body, **options) -> requests.Response:
        return self.session.post(f"{self.url}{path}", json=body, timeout=60, **options)

    def resident_kib(self) -> int:
        """Largest memory that the process ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status).group(1))

    @contextmanager
    def watched(self):
        """Watches the memory of its own that the process has, in KiB: a list whose first is that before.

        What the system keeps of mapped files is left out: it takes it away where memory is wanted."""
        seen, is_over = [self.own_kib()], threading.Event()

        def look():
            while not is_over.wait(LOOK_S):
                seen.append(self.own_kib())

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield seen
        finally:
            is_over.set()
            thread.join()
            seen.append(self.own_kib())

    def own_kib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", status).group(1))

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(swath, *options, log: Path):
    """Starts `swath serve` and stops it again; it must end by itself, and without a panic."""
    with open(log, "wb") as stream:
        process = swath.start("serve", "--port", "0", *options, stdout=subprocess.DEVNULL, stderr=stream)
    try:
        yield Server(wait_for_address(process, log), process)
        process.terminate()
        assert process.wait(timeout=STOP_S_MAX) == 0, log.read_text()[-2000:]
        assert "panicked" not in log.read_text(errors="replace")
    finally:
        process.kill()
        process.wait()


def wait_for_address(process: subprocess.Popen, log: Path) -> str:
    import time

    end = time.monotonic() + START_S_MAX
    while time.monotonic() < end:
        if found := LISTENING.search(log.read_text(errors="replace")):
            return found.group(1)
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")


def plain(value):
    """Arrow's lists of key and value, times and missing values as JSON has them."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if hasattr(value, "isoformat"):
        return value.isoformat().replace("+00:00", "Z")
    return value


TOP = {"type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "links", "assets", "collection"}


def items_of_parquet(path: Path) -> list[dict]:
    """Items of a stac-geoparquet file. Extensions are left out: there are no schemas of them offline."""
    items = []
    for row in pyarrow.parquet.read_table(path).to_pylist():
        geometry = shapely.from_wkb(row["geometry"])
        box = row["bbox"]
        item = {
            "type": "Feature",
            "stac_version": "1.1.0",
            "id": row["id"],
            "collection": row["collection"],
            "geometry": json.loads(shapely.to_geojson(geometry)),
            "bbox": [box["xmin"], box["ymin"], box["xmax"], box["ymax"]],
            "properties": {key: plain(value) for key, value in row.items() if key not in TOP and value is not None},
            "assets": plain(row["assets"]),
            "links": [link for link in plain(row["links"]) if link["rel"] == "license"],
        }
        items.append(item)
    return items


def load(server: Server, token: str, collection: str, items: list[dict], chunk: int = 250):
    headers = {"Authorization": f"Bearer {token}"}
    for start in range(0, len(items), chunk):
        body = {"type": "FeatureCollection", "features": items[start : start + chunk]}
        answer = server.post(f"/stac/collections/{collection}/items", body, headers=headers)
        assert answer.status_code == 201, answer.text[:500]


def offline(shared: Path) -> dict[str, str]:
    """The environment in which Python's validators find schemas in a folder."""
    hook = Path(__file__).parent / "offline"
    return {**os.environ, "PYTHONPATH": str(hook), "SCHEMA_ROOT": str(shared / "schemas" / "json")}


def client(name: str) -> str:
    """A program that was installed beside this Python."""
    return str(Path(sys.executable).parent / name)
