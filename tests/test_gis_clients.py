"""QGIS and MapProxy against our WMS, WMTS and WCS: `make test-clients`. Skipped where they are not installed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import requests

from conftest import ROOT
from test_ows import (
    COLLECTION,
    CRS_OF_MARKER,
    bounds_in,
    bright_centre,
    expected_centre,
    is_north_first,
    pixels,
    served,
)

__all__ = ["served"]
SIZE = 300
START_S = 60
# Half a pixel for the client's own resampling, half for ours.
TOLERANCE_PX = 1.5


def qgis_python() -> str:
    """The Python that has QGIS, or a reason to skip."""
    for name in ("/usr/bin/python3", "python3"):
        if not shutil.which(name):
            continue
        probe = subprocess.run([name, "-c", "import qgis.core"], capture_output=True, check=False)
        if probe.returncode == 0:
            return name
    pytest.skip("skipped: QGIS is not installed: apt-get install python3-qgis qgis-providers")


def square(crs: str) -> tuple[float, float, float, float]:
    """Bounds of equal sides, so that no client widens them."""
    west, south, east, north = bounds_in(crs)
    side = min(east - west, north - south)
    return west, north - side, west + side, north


def test_qgis_draws_the_marker(served, tmp_path):
    python = qgis_python()
    jobs = []
    for crs in CRS_OF_MARKER:
        for version in ("1.1.1", "1.3.0"):
            url = quote(f"{served.url}/ows?SERVICE=WMS&VERSION={version}", safe=":/")
            uri = f"url={url}&layers={COLLECTION}&styles=&format=image/png&crs={crs}"
            jobs.append({"provider": "wms", "uri": uri, "crs": crs})
        url = quote(f"{served.url}/ows?SERVICE=WCS", safe=":/")
        jobs.append({"provider": "wcs", "uri": f"url={url}&identifier={COLLECTION}&version=1.0.0&crs={crs}&format=GeoTIFF", "crs": crs})
    sets = {"EPSG:3857": "WebMercatorQuad", "EPSG:4326": "WGS1984Quad", "EPSG:32632": "UTM32WGS84Quad", "EPSG:3035": "EuropeanETRS89_LAEAQuad"}
    for crs, matrix_set in sets.items():
        uri = (f"url={served.url}/wmts/1.0.0/WMTSCapabilities.xml&layers={COLLECTION}&styles=natural&format=image/png"
               f"&crs={crs}&tileMatrixSet={matrix_set}")
        jobs.append({"provider": "wms", "uri": uri, "crs": crs})
    for number, job in enumerate(jobs):
        job["bounds"] = square(job["crs"])
        job["out"] = str(tmp_path / f"{number}.png")
    file = tmp_path / "jobs.json"
    file.write_text(json.dumps(jobs))
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(runtime), "HOME": str(tmp_path)}
    done = subprocess.run([python, str(ROOT / "tests" / "qgis_layers.py"), str(SIZE), str(file)],
                          env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = []
    for job in jobs:
        image = pixels(Path(job["out"]).read_bytes())
        if job["provider"] == "wcs":
            # Grey between the smallest and the largest value: the block is the brightest.
            image = np.stack([np.where(image[0] >= image[0][image[-1] > 0].max(), 255, 0)] * 3 + [image[-1]])
        found = bright_centre(image)
        expected = expected_centre(job["crs"], job["bounds"], (SIZE, SIZE))
        if not np.allclose(found, expected, atol=TOLERANCE_PX):
            wrong.append(f"{job['uri']}: {found}, not {expected}")
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def proxy(served, tmp_path):
    """The address of a MapProxy whose sources are our WMS in both versions."""
    program = ROOT / "target" / "client-venv" / "bin" / "mapproxy-util"
    if not program.is_file():
        pytest.skip("skipped: MapProxy is not installed: scripts/setup.sh clients")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    layers = []
    sources = {}
    for version in ("1.1.1", "1.3.0"):
        name = f"ours-{version}"
        sources[name] = {"type": "wms", "wms_opts": {"version": version}, "supported_srs": list(CRS_OF_MARKER),
                         "req": {"url": f"{served.url}/ows?SERVICE=WMS", "layers": COLLECTION, "transparent": True}}
        layers.append({"name": name, "title": name, "sources": [name]})
    configuration = {
        "services": {"wms": {"srs": list(CRS_OF_MARKER), "image_formats": ["image/png"], "versions": ["1.1.1", "1.3.0"]}},
        "layers": layers,
        "sources": sources,
        "globals": {"cache": {"base_dir": str(tmp_path / "cache")}},
    }
    file = tmp_path / "proxy.yaml"
    # JSON is YAML.
    file.write_text(json.dumps(configuration))
    with (tmp_path / "proxy.log").open("wb") as log:
        process = subprocess.Popen([str(program), "serve-develop", "-b", f"127.0.0.1:{port}", str(file)], stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}/service"
            deadline = time.monotonic() + START_S
            while True:
                try:
                    requests.get(url, params={"REQUEST": "GetCapabilities", "SERVICE": "WMS"}, timeout=10)
                    break
                except requests.ConnectionError:
                    assert time.monotonic() < deadline and process.poll() is None, (tmp_path / "proxy.log").read_text()
                    time.sleep(0.1)
            yield url
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("crs", CRS_OF_MARKER)
def test_mapproxy_draws_the_marker(proxy, crs):
    west, south, east, north = square(crs)
    for version in ("1.1.1", "1.3.0"):
        for asked in ("1.1.1", "1.3.0"):
            box = (south, west, north, east) if asked == "1.3.0" and is_north_first(crs) else (west, south, east, north)
            query = {"SERVICE": "WMS", "VERSION": asked, "REQUEST": "GetMap", "LAYERS": f"ours-{version}", "STYLES": "",
                     "CRS" if asked == "1.3.0" else "SRS": crs, "BBOX": ",".join(map(str, box)),
                     "WIDTH": SIZE, "HEIGHT": SIZE, "FORMAT": "image/png", "TRANSPARENT": "TRUE"}
            answer = requests.get(proxy, params=query, timeout=60)
            assert answer.headers["content-type"].startswith("image/png"), answer.text
            image = pixels(answer.content)
            if image.shape[0] == 3:
                image = np.concatenate([image, np.full_like(image[:1], 255)])
            found = bright_centre(image)
            assert np.allclose(found, expected_centre(crs, (west, south, east, north), (SIZE, SIZE)), atol=TOLERANCE_PX)
