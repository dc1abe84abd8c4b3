"""The portal in a browser, on a simulated season: the tasks are in portal/tests/tasks.test.mjs."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

from season import SET, served

PORTAL = Path(__file__).resolve().parent.parent / "portal"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Nothing is measured by it; a machine that is busy eight times over took 320.
BROWSER_S_MAX = 900


@pytest.fixture(scope="module")
def url(season):
    with served(season.swath) as address:
        yield address


def fetch(url: str, headers: dict | None = None):
    request = urllib.request.Request(url, headers=headers or {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers, answer.read()


def test_the_page_is_guarded_and_leads_programs_on(url):
    head, page = fetch(f"{url}/")
    assert head["Content-Type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in head["Content-Security-Policy"]
    assert 'rel="service-desc"' in head["Link"]
    assert head["Cache-Control"] == "no-cache" and head["ETag"]
    assert b"<title>Swath</title>" in page


def test_users_do_what_they_come_for(url):
    browser = os.environ.get("SWATH_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser or not (PORTAL / "node_modules/playwright-core").is_dir():
        pytest.skip("needs Chromium and Node.js: scripts/setup.sh test, then scripts/portal.sh build")
    _, page = fetch(f"{url}/")
    if b"built without its portal" in page:
        pytest.skip("the program was built without the portal: scripts/portal.sh build, then build it again")
    environment = {**os.environ, "SWATH_URL": url, "SWATH_CHROMIUM": browser}
    done = subprocess.run(
        ["node", "--test", "--test-reporter=spec", "tests/tasks.test.mjs"],
        cwd=PORTAL, env=environment, capture_output=True, timeout=BROWSER_S_MAX, check=False, text=True,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rows_of_many_parcels_come_compressed_to_their_end(url, season):
    """What the page asks for its peers: browsers take gzip, and a stream that ends early is a failure."""
    body = json.dumps({"ids": season.parcel_ids()[:5], "format": "csv", "expr": "NDVI", "collection": "sentinel-2-l2a"})
    head = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
    request = urllib.request.Request(f"{url}/parcels/{SET}/series", headers=head, data=body.encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        rows = gzip.decompress(answer.read()).decode().splitlines()
    assert len(rows) > 5 * 40


def test_the_lock_file_names_no_host():
    """A lock file with addresses of one registry cannot be used where another is."""
    packages = json.loads((PORTAL / "package-lock.json").read_text())["packages"]
    assert not [name for name, package in packages.items() if not package.get("resolved", "https://registry.npmjs.org/").startswith("https://registry.npmjs.org/")]
