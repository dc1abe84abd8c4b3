"""A simulated landscape is what its truth says, and the same for the same seed."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from compare import assert_close, read_table

SEASON = ["--start", "2021-03-01", "--end", "2021-06-01"]
BAND_SCL = "SCL"


@pytest.fixture(scope="module")
def quiet(swath_session, tmp_path_factory):
    """A season of 60 parcels without noise."""
    out = tmp_path_factory.mktemp("quiet") / "land"
    swath_session("simulate", "--noise", "0", "--parcels", "60", "--out", out, *SEASON)
    return out


@pytest.fixture(scope="module")
def noisy(swath_session, tmp_path_factory):
    out = tmp_path_factory.mktemp("noisy") / "land"
    swath_session("simulate", "--parcels", "60", "--out", out, *SEASON)
    return out


def digest(folder) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def items(folder):
    for path in sorted((folder / "scenes").rglob("*.json")):
        document = json.loads(path.read_text())
        if document["type"] == "Feature":
            yield path, document


def test_extract_equals_the_truth(swath, quiet, tmp_path):
    output = tmp_path / "out.parquet"
    report = swath(
        "extract", "--items", quiet / "scenes", "--parcels", quiet / "parcels.parquet", "--coverage", "centre",
        "-o", output, "--json",
    ).json()  # fmt: skip
    assert report["skipped"] == []
    assert report["items"] == report["measured"] == sum(1 for _ in items(quiet))
    ours = read_table(output)
    truth = pd.read_parquet(quiet / "truth" / "means.parquet")
    for column in ("item_id", "parcel_id", "band"):
        truth[column] = truth[column].astype(str)
    both = ours.merge(truth, on=["item_id", "parcel_id", "band"], how="outer", indicator=True, suffixes=("", "_truth"))
    assert not (both["_merge"] == "right_only").any(), "everything that the truth tells is measured"
    extra = set(both[both["_merge"] == "left_only"]["band"])
    assert extra <= {BAND_SCL}
    both = both[both["_merge"] == "both"]
    assert len(both) == len(truth) > 5000
    assert (both["count"] > 0).all()
    names = both[["item_id", "parcel_id", "band"]].agg(" ".join, axis=1).to_numpy()
    for statistic in ("mean", "min", "max", "p50"):
        assert_close(both[statistic], both["value"], 0.0, 1e-5, statistic, names)
    assert (both["datetime"] == both["datetime_truth"]).all()
    pixels = pd.read_parquet(quiet / "truth" / "parcels.parquet").set_index("parcel_id")
    fine = both["band"].isin(["B02", "B03", "B04", "B08", "VV", "VH"])
    assert (both[fine]["count"] == pixels["pixels_10m"].loc[both[fine]["parcel_id"]].to_numpy()).mean() > 0.99


def test_same_seed_same_files(swath, noisy, tmp_path):
    again, other = tmp_path / "again", tmp_path / "other"
    swath("simulate", "--parcels", "60", "--out", again, *SEASON, "--threads", "1")
    swath("simulate", "--parcels", "60", "--out", other, *SEASON, "--seed", "2")
    first = digest(noisy)
    assert first == digest(again)
    # Weather decides which scenes there are; what both have must differ.
    second = digest(other)
    images = [name for name in first if name.endswith(".tif") and name in second]
    assert images and all(first[name] != second[name] for name in images if not name.endswith("SCL.tif"))


def test_images_are_cogs(noisy):
    images = sorted((noisy / "scenes").rglob("*.tif"))
    assert len(images) > 40
    for path in images[::5]:
        is_valid, errors, warnings = cog_validate(str(path), strict=True, quiet=True)
        assert is_valid, (path, errors, warnings)


def test_stac_items_say_what_the_images_are(noisy):
    seen = set()
    for path, item in items(noisy):
        assert item["stac_version"].startswith("1.")
        assert item["id"] and item["id"] not in seen
        seen.add(item["id"])
        assert datetime.fromisoformat(item["properties"]["datetime"]).tzinfo is not None
        west, south, east, north = item["bbox"]
        ring = np.array(item["geometry"]["coordinates"][0])
        assert west <= ring[:, 0].min() + 1e-6 and ring[:, 0].max() <= east + 1e-6
        assert south <= ring[:, 1].min() + 1e-6 and ring[:, 1].max() <= north + 1e-6
        assert {link["rel"] for link in item["links"]} >= {"collection"}
        for name, asset in item["assets"].items():
            target = path.parent / asset["href"]
            assert target.is_file(), (path, name)
            with rasterio.open(target) as raster:
                code = item["properties"].get("proj:code") or asset.get("proj:code")
                code = code or f"EPSG:{item['properties'].get('proj:epsg') or asset.get('proj:epsg')}"
                assert raster.crs.to_string() == code
    assert len(seen) > 15


def test_stac_items_parse_with_pystac(noisy):
    pystac = pytest.importorskip("pystac", reason="skipped: pystac is not there")
    for path, _ in items(noisy):
        pystac.Item.from_file(str(path))
    assert sum(1 for _ in pystac.Catalog.from_file(str(noisy / "scenes" / "catalog.json")).get_items(recursive=True))


def test_parcels_are_adjacent_and_valid(noisy):
    frame = geopandas.read_parquet(noisy / "parcels.parquet")
    assert len(frame) == 60
    assert frame.is_valid.all() and frame["parcel_id"].is_unique
    assert frame.crs.is_projected
    overlap = frame.geometry.area.sum() - frame.union_all().area
    assert overlap <= 1e-4 * frame.geometry.area.sum()
    neighbours = geopandas.sjoin(frame[["geometry"]].assign(geometry=frame.buffer(0.5)), frame[["geometry"]])
    assert len(neighbours) > 2 * len(frame), "most parcels touch another"


def test_clouds_are_masked_by_their_classes(swath, noisy, tmp_path):
    command = ["extract", "--items", noisy / "scenes" / "sentinel-2-l2a", "--parcels", noisy / "parcels.parquet"]
    swath(*command, "-o", tmp_path / "all.parquet")
    swath(*command, "-o", tmp_path / "clear.parquet", "--mask-scl", "0,1,3,8,9,10,11")
    whole, clear = read_table(tmp_path / "all.parquet"), read_table(tmp_path / "clear.parquet")
    keys = ["item_id", "parcel_id", "band"]
    assert (whole[keys] == clear[keys]).all(axis=None)
    assert (clear["count"] <= whole["count"] + 1e-9).all()
    assert (clear["count"] < whole["count"] - 1e-6).mean() > 0.05
    assert clear["mean"].isna().equals(clear["count"] == 0)
    # Without clouds and snow the reflectance is that of the land.
    blue = clear[(clear["band"] == "B02") & (clear["count"] > 0)]["mean"]
    assert (blue.between(0, 0.3)).mean() > 0.98
    assert (whole[whole["band"] == "B02"]["mean"] > 0.3).any()


def test_a_folder_with_something_in_it_is_not_overwritten(swath, tmp_path):
    out = tmp_path / "land"
    out.mkdir()
    (out / "precious.txt").write_text("mine")
    outcome = swath.run("simulate", "--parcels", "20", "--out", out, *SEASON)
    assert (out / "precious.txt").read_text() == "mine"
    assert outcome.code in (0, 2)


@pytest.mark.parametrize("options", [["--parcels", "0"], ["--size", "3"], ["--noise", "-1"], ["--noise", "nan"],
                                     ["--start", "2021-06-01", "--end", "2021-05-01"], ["--start", "yesterday"]])  # fmt: skip
def test_impossible_landscapes_are_wrong_usage(swath, tmp_path, options):
    outcome = swath.run("simulate", "--out", tmp_path / "land", *options)
    assert outcome.code == 2, outcome
    assert not (tmp_path / "land").exists() or not any((tmp_path / "land").iterdir())
