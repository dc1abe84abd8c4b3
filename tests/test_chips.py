"""Chips of a parcel: the pixels of the images, as a picture, a GeoTIFF and a list."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import rasterio
import requests

from season import SET

OPTICAL, RADAR = "sentinel-2-l2a", "s1-card-bs"
INTERVAL = "2021-05-01/2021-06-15"


@pytest.fixture(scope="module")
def parcel(season) -> str:
    return season.parcel_ids()[0]


def chips(season, parcel, tmp_path, style: str, form: str, collection: str = OPTICAL, **more):
    out = tmp_path / f"chips.{form}"
    options = [word for name, value in more.items() for word in (f"--{name}", value)]
    season.swath(
        "chips", parcel, "--parcels", SET, "--collection", collection, "--datetime", INTERVAL,
        "--style", style, "--format", form, "-o", out, *options,
    )  # fmt: skip
    return out


def test_the_stack_holds_the_pixels_of_the_images(season, parcel, tmp_path):
    listed = rasterio.open(chips(season, parcel, tmp_path, "natural", "tif"))
    names = [name.split(" ") for name in listed.descriptions]
    assert len(names) >= 6 and [layer for _, layer in names[:3]] == ["B04", "B03", "B02"]
    assert [date for date, _ in names] == sorted(date for date, _ in names)
    document = json.loads(chips(season, parcel, tmp_path, "natural", "json").read_text())
    assert [chip["datetime"] for chip in document["chips"]] == [date for date, _ in names[::3]]
    for index, chip in enumerate(document["chips"]):
        assert 0 < chip["valid"] <= 1 and 0 <= chip["hidden"] <= 1
        for layer, href in enumerate(chip["hrefs"]):
            with rasterio.open(href.replace("archive:", f"{season.swath.home}/archive/")) as source:
                band = 1
                if source.count > 1:
                    band = list(source.descriptions).index(names[layer][1]) + 1
                window = source.window(*listed.bounds)
                stored = source.read(band, window=window, boundless=True, fill_value=0, masked=True)
                scale, offset = source.scales[band - 1], source.offsets[band - 1]
            own = listed.read(3 * index + layer + 1, masked=True)
            assert own.shape == stored.shape
            both = ~np.isnan(own.filled(np.nan)) & ~np.ma.getmaskarray(stored)
            assert both.any()
            ratio = own.data[both].astype(float) / np.where(stored.data[both] == 0, 1, stored.data[both])
            if (scale, offset) == (1, 0):
                # The item may scale; the picture of the values is the same.
                assert np.ptp(ratio[stored.data[both] > 0]) < 1e-3 * abs(ratio.mean()) + 1e-6 or offset != 0
            else:
                assert np.allclose(own.data[both], stored.data[both] * scale + offset, rtol=1e-6)


def test_pictures_are_drawn(season, parcel, tmp_path):
    for style, collection in [("natural", OPTICAL), ("ndvi", OPTICAL), ("s1", RADAR)]:
        path = chips(season, parcel, tmp_path, style, "png", collection)
        with rasterio.open(path) as picture:
            assert picture.width > 400 and picture.height > 200
            samples = picture.read()
        # Colours and not only a page.
        assert len(np.unique(samples.reshape(3, -1), axis=1).T) > 50


def test_the_server_answers_the_same(season, season_server, parcel, tmp_path):
    path = f"{season_server}/parcels/{SET}/{parcel}/chips"
    own = chips(season, parcel, tmp_path, "ndvi", "tif").read_bytes()
    query = {"style": "ndvi", "datetime": INTERVAL}
    answer = requests.get(f"{path}.tif", params=query, timeout=60)
    assert answer.headers["content-type"] == "image/tiff"
    with rasterio.open(io.BytesIO(answer.content)) as there, rasterio.open(io.BytesIO(own)) as here:
        assert there.descriptions == here.descriptions and there.transform == here.transform
        assert np.array_equal(there.read(), here.read(), equal_nan=True)
    again = requests.get(f"{path}.tif", params=query, headers={"If-None-Match": answer.headers["etag"]}, timeout=60)
    assert again.status_code == 304
    document = requests.get(path, params={**query, "format": "json"}, timeout=60).json()
    assert document["parcel_id"] == parcel and len(document["chips"]) > 2
    one = requests.get(document["chips"][1]["png"], timeout=60)
    assert one.content.startswith(b"\x89PNG")
    for bad in [{"style": "false"}, {"datetime": "soon"}, {"margin": "-1"}, {"format": "gif"}, {"bands": "1"}]:
        assert requests.get(path, params=bad, timeout=60).status_code == 400, bad
    for gone in [{"collection": "none"}, {"datetime": "1999-01-01/1999-02-01"}, {"item": "none"}]:
        assert requests.get(path, params=gone, timeout=60).status_code == 404, gone
    assert requests.get(f"{season_server}/parcels/{SET}/none/chips.png", timeout=60).status_code == 404


def test_wrong_questions_have_their_exit_codes(season, parcel, tmp_path):
    ask = ["chips", parcel, "--parcels", SET, "-o", tmp_path / "a.png", "--collection"]
    assert season.swath.run(*ask, OPTICAL, "--datetime", "soon").code == 2
    assert season.swath.run(*ask, OPTICAL, "--datetime", "1999-01-01/1999-02-01").code == 4
    assert season.swath.run(*ask, "none").code == 4
    assert not (tmp_path / "a.png").exists()
