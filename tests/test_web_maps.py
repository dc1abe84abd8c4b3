"""Leaflet (WMS 1.3.0), OpenLayers (WMTS from its capabilities) and MapLibre (WMS 1.1.1) in Chromium."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio.warp

from test_ows import BLOCK, COLLECTION, LEFT, RESOLUTION_M, TOP, bright_centre, pixels, served

__all__ = ["served"]
WEB = Path(__file__).resolve().parent / "web"
SIDE_PX = 300
BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


def test_map_libraries_draw_the_marker(served, tmp_path):
    if not shutil.which("node"):
        pytest.skip("skipped: Node.js is not installed")
    if not (WEB / "node_modules").is_dir():
        pytest.skip("skipped: the map libraries are not installed: scripts/setup.sh test")
    if not os.environ.get("SWATH_CHROMIUM") and not any(Path(name).exists() for name in BROWSERS):
        pytest.skip("skipped: Chromium is not installed; name one in SWATH_CHROMIUM")
    first_column, end_column, first_row, end_row = BLOCK
    x = LEFT + (first_column + end_column) / 2 * RESOLUTION_M
    y = TOP - (first_row + end_row) / 2 * RESOLUTION_M
    (lon,), (lat,) = rasterio.warp.transform("EPSG:32632", "EPSG:4326", [x], [y])
    question = {"server": served.url, "layer": COLLECTION, "style": "natural", "lon": lon, "lat": lat, "zoom": 13}
    done = subprocess.run(["node", str(WEB / "draw.mjs"), json.dumps(question), str(tmp_path)],
                          capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
    for name in ("leaflet", "openlayers", "maplibre"):
        image = pixels((tmp_path / f"{name}.png").read_bytes())[:3]
        found = bright_centre(np.concatenate([image, np.full_like(image[:1], 255)]))
        # The block's centre is the map's; a library may round the map to whole pixels.
        assert np.allclose(found, (SIDE_PX / 2, SIDE_PX / 2), atol=2), f"{name}: {found}"
