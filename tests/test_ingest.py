"""Products of the agencies through `swath ingest`, their pixels beside those that GDAL reads."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

PRODUCT = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454"
# Lossy JPEG 2000: the last bit may differ between decoders.
PIXEL_MAX, MEAN_MAX = 1, 1e-3


@pytest.fixture(scope="module")
def ingested(swath_session, data):
    """The product in an archive of its own, ingested in one command."""
    source = data / "sentinel2" / "l2a-safe" / f"{PRODUCT}.SAFE"
    outcome = swath_session.run("ingest", source, "--json", timeout_s=600)
    report = outcome.json()["products"][0]
    found = swath_session("search", "--collection", "sentinel-2-l2a", "--ids", PRODUCT, "--json").json()["features"]
    assert [item["id"] for item in found] == [PRODUCT]
    return source, report, found[0], swath_session.home / "archive"


def test_what_is_missing_is_said(ingested):
    _, report, item, _ = ingested
    assert report["outcome"] == "ingested"
    assert len(report["missing_files"]) == 21
    assert report["damaged_files"] == []
    assert len(item["assets"]) == report["assets"]


def test_pixels_are_those_of_the_source_and_the_digests(ingested, data):
    source, report, item, archive = ingested
    rows = pd.read_csv(data / "sentinel2" / "expected_pixel_digests_gdal.csv").groupby("path")
    compared = with_digest = 0
    for name, asset in item["assets"].items():
        original = asset.get("alternate", {}).get("original", {}).get("href", "")
        if not original.endswith(".jp2"):
            continue
        path = source / original.partition(f"{PRODUCT}.SAFE/")[2]
        cog = archive / asset["href"].removeprefix("archive:")
        with rasterio.open(cog) as ours, rasterio.open(path) as theirs:
            assert ours.shape == theirs.shape and ours.count == theirs.count, name
            # Read once: GDAL takes longer to decode one of these images than all else here.
            own, other = ours.read(), theirs.read()
            difference = np.abs(own.astype(np.int32) - other)
            assert difference.max() <= PIXEL_MAX, name
            assert own.mean() == pytest.approx(other.mean(), abs=MEAN_MAX), name
            key = str(path.relative_to(data))
            if key in rows.groups:
                for row in rows.get_group(key).itertuples():
                    pixels = own[row.band - 1]
                    assert abs(int(pixels.min()) - row.min) <= PIXEL_MAX and abs(int(pixels.max()) - row.max) <= PIXEL_MAX
                    assert pixels.mean() == pytest.approx(row.mean, abs=MEAN_MAX), name
                    if difference.max() == 0:
                        assert ours.checksum(row.band) == row.gdal_checksum, name
                with_digest += 1
        compared += 1
    assert compared == report["converted"] >= 20
    assert with_digest >= 16


def test_dn_1000_of_baseline_04_00_is_reflectance_0(ingested):
    _, _, item, archive = ingested
    asset = item["assets"]["B02_60m"]
    with rasterio.open(archive / asset["href"].removeprefix("archive:")) as raster:
        assert 1000 * raster.scales[0] + raster.offsets[0] == pytest.approx(0, abs=1e-12)
        assert raster.nodata == 0


def test_originals_lie_beside_the_cogs(ingested):
    source, _, item, archive = ingested
    folder = archive / Path(item["assets"]["B02_60m"]["href"].removeprefix("archive:")).parent
    kept = folder / f"{PRODUCT}.SAFE"
    files = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(kept) for path in kept.rglob("*") if path.is_file())
    for path in files:
        assert (kept / path).read_bytes() == (source / path).read_bytes(), path
    document = json.loads((folder / f"{PRODUCT}.json").read_text())
    assert document["id"] == PRODUCT and document["properties"]["datetime"] == item["properties"]["datetime"]


# What a product of two small bands needs, and less.
DISK_SIZES = ("128k", "8m")
STORAGE = 5


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, too small at first."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={DISK_SIZES[0]}"
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("skipped: mounting a small file system needs more rights")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


def held(swath) -> list[str]:
    found = swath("search", "--collection", "s1-card-bs", "--json").json()["features"]
    return [item["id"] for item in found]


def test_full_and_read_only_archives_lose_nothing(swath, data, disk):
    """What cannot be stored is not registered; the same command completes it later."""
    source = data / "sentinel1" / "beam-dimap-derived" / "S1A_IW_GRDH_20150309T173017_Orb_Cal_TC.dim"
    command = ("ingest", source, "--collection", "s1-card-bs", "--archive", disk)
    full = swath.run(*command)
    assert full.code == STORAGE and "space" in full.stderr.lower(), full
    assert held(swath) == []
    remount(disk, f"size={DISK_SIZES[1]},ro")
    read_only = swath.run(*command)
    assert read_only.code == STORAGE and "read-only" in read_only.stderr.lower(), read_only
    assert held(swath) == []
    remount(disk, "rw")
    swath(*command)
    assert len(held(swath)) == 1
    assert not list(disk.rglob("*.part"))
