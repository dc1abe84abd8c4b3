#!/usr/bin/env python3
"""Measures in Chromium how soon the portal shows what users come for.

    bench/portal.py [--runs N]

A simulated season, served by the program with its portal. portal/tests/times.mjs takes the times: from navigation to the rows of
the result table, from navigation by a link to the lines of a parcel's chart, from a click on a parcel to them, painted. Medians of N runs
(5), each in a browser that keeps nothing, with what the page and the rest of the browser had of a processor meanwhile: where other
programs keep the machine busy, that tells more. The rest is the map, where it is drawn without a graphics card. Needs Chromium and the packages of the portal (`scripts/portal.sh build`).
"""
from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

MS_MAX = 1_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TITLES = {
    "list": "from navigation to rows of the result table",
    "link": "from a link to a parcel to the lines of its chart",
    "click": "from a click on a parcel to the lines of its chart",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    browser = os.environ.get("SWATH_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser or not (ROOT / "portal/node_modules/playwright-core").is_dir():
        raise SystemExit("absent: Chromium, or the packages of the portal (scripts/portal.sh build)")
    from bench import SWATH
    from conftest import Swath
    from season import make_season, served

    with tempfile.TemporaryDirectory(prefix="swath-portal-") as home:
        swath = Swath(SWATH, Path(home))
        make_season(swath)
        with served(swath) as url:
            environment = {**os.environ, "SWATH_URL": url, "SWATH_CHROMIUM": browser}
            done = subprocess.run(["node", "tests/times.mjs", str(args.runs)], cwd=ROOT / "portal", env=environment, check=True, capture_output=True, text=True)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print("| portal | median | all, ms | processor: page, rest of the browser | goal |\n|---|---|---|---|---|")
    is_good = True
    for name, times in json.loads(done.stdout).items():
        walls = sorted(time["wall"] for time in times)
        median = statistics.median(walls)
        page, rest = (statistics.median(time[part] for time in times) for part in ("page", "rest"))
        is_good &= median <= MS_MAX
        print(f"| {TITLES[name]} | {median:.0f} ms | {', '.join(f'{wall:.0f}' for wall in walls)} | {page:.0f} ms, {rest:.0f} ms | <= {MS_MAX} ms |")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
