"""Composites as map layers beside numpy, and mosaics of more items than one picture is made of."""

from __future__ import annotations

import io
import json
import subprocess
import warnings

import numpy as np
import pytest
import rasterio
import requests
from rasterio.io import MemoryFile
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

import serving
from conftest import Swath

SIDE = 64
PIXEL_M = 10.0
WEST, NORTH = 500_000.0, 6_200_000.0
CRS = "EPSG:32632"
BOUNDS = (WEST, NORTH - SIDE * PIXEL_M, WEST + SIDE * PIXEL_M, NORTH)
SCALE, OFFSET = 0.0001, -0.1
#: Day, baseline offset and cloud cover of each date; the fourth lies after the season.
DATES = [("2021-04-01", OFFSET, 40), ("2021-04-11", OFFSET, 10), ("2021-04-21", 0.0, 25), ("2021-07-01", OFFSET, 0)]
SEASON = "2021-04-01/2021-06-30"
DROPPED = [0, 1, 3, 8, 9, 10]
TIMEOUT_S = 60


def stored(date: int) -> np.ndarray:
    """B04, B08, SCL: noise, with nodata and clouds in places; the first pixel is never clear."""
    random = np.random.default_rng(date)
    bands = random.integers(1_000, 6_000, (3, SIDE, SIDE)).astype("uint16")
    bands[:2, random.random((SIDE, SIDE)) < 0.05] = 0
    bands[2] = random.choice([3, 4, 5, 8, 9, 10], (SIDE, SIDE), p=[0.1, 0.4, 0.3, 0.1, 0.05, 0.05])
    bands[2, 0, 0] = 9
    return bands


def physical(date: int) -> tuple[np.ndarray, np.ndarray]:
    """B04 and B08 with NaN where not valid, and the classes."""
    bands = stored(date)
    values = bands[:2].astype("float64") * SCALE + DATES[date][1]
    return np.where(bands[:2] == 0, np.nan, values).astype("float32"), bands[2]


def clear(dates=(0, 1, 2), dropped=tuple(DROPPED)) -> np.ndarray:
    """Dates × bands × rows × columns with NaN where nothing counts."""
    stack = []
    for date in dates:
        values, classes = physical(date)
        stack.append(np.where(np.isin(classes, dropped), np.nan, values))
    return np.stack(stack)


def write_raster(path, bands: np.ndarray) -> None:
    profile = {
        "driver": "GTiff", "width": bands.shape[2], "height": bands.shape[1], "count": len(bands), "dtype": "uint16",
        "crs": CRS, "transform": from_origin(WEST, NORTH, PIXEL_M, PIXEL_M), "nodata": 0, "tiled": True, "blockxsize": 16, "blockysize": 16,
    }
    with rasterio.open(path, "w", **profile) as target:
        target.write(bands)


def item(name: str, datetime: str, href: str, bands: list[dict], **properties) -> dict:
    left, south, right, north = bbox = transform_bounds(CRS, "OGC:CRS84", *BOUNDS)
    ring = [[left, south], [right, south], [right, north], [left, north], [left, south]]
    asset = {
        "href": href, "type": "image/tiff; application=geotiff", "roles": ["data"], "proj:code": CRS, "proj:shape": [SIDE, SIDE],
        "proj:transform": [PIXEL_M, 0, WEST, 0, -PIXEL_M, NORTH], "bands": bands,
    }
    return {
        "type": "Feature", "stac_version": "1.1.0", "id": name, "properties": {"datetime": datetime, **properties}, "links": [],
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": list(bbox), "assets": {"image": asset},
    }


def write_season(folder) -> None:
    for date, (day, offset, cover) in enumerate(DATES):
        write_raster(folder / f"{day}.tif", stored(date))
        scaled = {"raster:scale": SCALE, "raster:offset": offset}
        bands = [{"name": "B04", "eo:common_name": "red", **scaled}, {"name": "B08", "eo:common_name": "nir", **scaled}, {"name": "SCL"}]
        found = item(day, f"{day}T10:50:00Z", f"./{day}.tif", bands, **{"eo:cloud_cover": cover})
        (folder / f"{day}.json").write_text(json.dumps(found))


def write_heap(folder, count: int) -> None:
    """So many items with a hole in one place; only the oldest has values there."""
    bands = np.full((1, SIDE, SIDE), 7, "uint16")
    write_raster(folder / "whole.tif", bands)
    bands[:, 20:30, 20:30] = 0
    write_raster(folder / "hole.tif", bands)
    for number in range(count):
        href = "./whole.tif" if number == 0 else "./hole.tif"
        at = np.datetime64("2020-01-01") + np.timedelta64(number, "D")
        found = item(f"n{number:03}", f"{at}T10:00:00Z", href, [{"name": "b1", "data_type": "uint16", "nodata": 0}])
        (folder / f"n{number:03}.json").write_text(json.dumps(found))


@pytest.fixture(scope="module")
def served(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("composites")
    swath = Swath(binary, folder / "home")
    swath.home.mkdir(exist_ok=True)
    (swath.home / "swath.toml").write_text(f'[stores.scenes]\nprefix = "{folder}/"\n')
    for name, write in (("season", write_season), ("few", lambda path: write_heap(path, 60)), ("many", lambda path: write_heap(path, 250))):
        scenes = folder / name
        scenes.mkdir()
        write(scenes)
        described = {
            "type": "Collection", "stac_version": "1.1.0", "id": name, "description": "generated", "license": "other", "links": [],
            "extent": {"spatial": {"bbox": [[8, 55, 10, 57]]}, "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]}},
            "swath:visibility": "public",
        }
        file = folder / f"{name}.json"
        file.write_text(json.dumps(described))
        swath("items", "import", scenes, "--collection", name, "--collection-file", file)
    log = folder / "server.log"
    with log.open("wb") as out:
        process = swath.start("serve", "--port", "0", stdout=subprocess.DEVNULL, stderr=out)
    served = serving.Served(swath, folder, process, serving.listening(log, process), "")
    yield served
    serving.stop(served)


def map_of(served, name: str = "season", **parameters) -> requests.Response:
    """A map on the very grid of the images."""
    query = {
        "crs": f"[{CRS}]", "bbox-crs": f"[{CRS}]", "bbox": ",".join(map(str, BOUNDS)), "width": SIDE, "height": SIDE,
        "resampling": "nearest", "f": "npy", **parameters,
    }
    return requests.get(f"{served.url}/ogc/collections/{name}/map", params=query, timeout=TIMEOUT_S)


def values(answer: requests.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    planes = np.load(io.BytesIO(answer.content))
    return np.where(planes[-1] == 255, planes[:-1], np.nan)


def composite(served, method: str, **parameters) -> np.ndarray:
    asked = {"datetime": SEASON, "expression": "B04;B08;B04", "composite": method, "rescale": "0,1", **parameters}
    return values(map_of(served, **asked))[:2]


def quietly(function, *args, **options) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(*args, **options)


@pytest.mark.parametrize(("method", "expected"), [
    ("median", lambda stack: quietly(np.nanmedian, stack, axis=0)),
    ("mean", lambda stack: quietly(np.nanmean, stack, axis=0)),
    ("p25", lambda stack: quietly(np.nanpercentile, stack, 25, axis=0)),
])
def test_reduced_bands_equal_numpy(served, method, expected):
    ours = composite(served, method)
    theirs = expected(clear())
    # A pixel is drawn where every band of the expressions has a value.
    theirs[:, np.isnan(theirs).any(axis=0)] = np.nan
    assert np.isnan(ours[:, 0, 0]).all() and np.isfinite(ours).mean() > 0.8
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, equal_nan=True)


def first_of(order) -> np.ndarray:
    stack = clear(order)
    found = np.full(stack.shape[1:], np.nan)
    for layer in stack:
        is_open = np.isnan(found).any(axis=0) & np.isfinite(layer).all(axis=0)
        found[:, is_open] = layer[:, is_open]
    return found


@pytest.mark.parametrize(("method", "order"), [("newest", (2, 1, 0)), ("least-cloud", (1, 2, 0))])
def test_chosen_dates_give_all_bands(served, method, order):
    np.testing.assert_allclose(composite(served, method), first_of(order), rtol=1e-5, atol=1e-6, equal_nan=True)


def test_the_greenest_date_is_taken_also_for_a_band_alone(served):
    stack = clear((2, 1, 0))
    index = (stack[:, 1] - stack[:, 0]) / (stack[:, 1] + stack[:, 0])
    best = np.argmax(np.where(np.isnan(index), -np.inf, index), axis=0)
    theirs = np.take_along_axis(stack[:, 0], best[None], axis=0)[0]
    theirs[np.isnan(index).all(axis=0)] = np.nan
    ours = composite(served, "max-ndvi", expression="B04")[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, equal_nan=True)


def test_what_is_masked_can_be_said(served):
    whole = quietly(np.nanmedian, clear(dropped=()), axis=0)
    np.testing.assert_allclose(composite(served, "median", mask_scl="none"), whole, rtol=1e-5, atol=1e-6, equal_nan=True)
    some = quietly(np.nanmedian, clear(dropped=(9,)), axis=0)
    some[:, np.isnan(some).any(axis=0)] = np.nan
    np.testing.assert_allclose(composite(served, "median", mask_scl="9"), some, rtol=1e-5, atol=1e-6, equal_nan=True)


def test_all_protocols_draw_the_same(served):
    colors = {"expression": "B04", "rescale": "0,0.5", "resampling": "nearest"}
    picture = map_of(served, f="png", datetime=SEASON, composite="median", **colors)
    query = {
        "SERVICE": "WMS", "VERSION": "1.3.0", "REQUEST": "GetMap", "LAYERS": "season", "STYLES": "", "CRS": CRS,
        "BBOX": ",".join(map(str, BOUNDS)), "WIDTH": SIDE, "HEIGHT": SIDE, "FORMAT": "image/png", "TRANSPARENT": "TRUE",
        "TIME": SEASON, "COMPOSITE": "median", **{name.upper(): value for name, value in colors.items()},
    }
    drawn = requests.get(f"{served.url}/ows", params=query, timeout=TIMEOUT_S)
    assert drawn.content == picture.content and picture.content[:4] == b"\x89PNG"
    # A click says what is drawn.
    place = {"REQUEST": "GetFeatureInfo", "QUERY_LAYERS": "season", "I": 5, "J": 7, "INFO_FORMAT": "application/json"}
    said = requests.get(f"{served.url}/ows", params={**query, **place}, timeout=TIMEOUT_S)
    expected = quietly(np.nanmedian, clear(), axis=0)[0][7, 5]
    found = said.json()["features"][0]["properties"]
    number = next(value for name, value in found.items() if name.endswith("B04"))
    assert number == pytest.approx(expected, rel=1e-4)
    # A tile is the same as the tile of the API, row and column in the order of each.
    path = "season/UTM32WGS84Quad/13"
    level = 78140.3572602559 / 2**12 * 256
    col, row = int((WEST + 9501965.72931276) // level), int((20003931.4586255 - NORTH) // level)
    query = {"datetime": SEASON, "composite": "median", **colors}
    plain = requests.get(f"{served.url}/tiles/{path}/{col}/{row}.png", params=query, timeout=TIMEOUT_S)
    name = f"season/map/tiles/UTM32WGS84Quad/13/{row}/{col}"
    other = requests.get(f"{served.url}/ogc/collections/{name}", params={**query, "f": "png"}, timeout=TIMEOUT_S)
    assert plain.status_code == 200 and plain.content == other.content
    # Each date by itself, put together by numpy.
    layers = []
    for day, *_ in DATES[:3]:
        one = {"resampling": "nearest", "expression": "B04"}
        band = requests.get(f"{served.url}/tiles/season:{day}/UTM32WGS84Quad/13/{col}/{row}.npy", params=one, timeout=TIMEOUT_S)
        classes = requests.get(f"{served.url}/tiles/season:{day}/UTM32WGS84Quad/13/{col}/{row}.npy", params={**one, "expression": "SCL"}, timeout=TIMEOUT_S)
        layers.append(np.where(np.isin(values(classes), DROPPED), np.nan, values(band)))
    raw = requests.get(f"{served.url}/tiles/{path}/{col}/{row}.npy", params=query, timeout=TIMEOUT_S)
    np.testing.assert_allclose(values(raw), quietly(np.nanmedian, np.stack(layers), axis=0), rtol=1e-6, equal_nan=True)


def test_composites_have_versions_and_limits(served):
    answer = map_of(served, datetime=SEASON, composite="median", f="png")
    again = requests.get(answer.url, headers={"If-None-Match": answer.headers["etag"]}, timeout=TIMEOUT_S)
    assert again.status_code == 304
    assert map_of(served, datetime=SEASON, composite="mean", f="png").headers["etag"] != answer.headers["etag"]
    refused = map_of(served, "many", composite="median", expression="b1")
    assert refused.status_code == 400 and "200" in refused.json()["detail"] and "shorter time" in refused.json()["detail"]
    large = map_of(served, "few", composite="median", expression="b1", width=4_090, height=4_090)
    assert large.status_code == 400 and "smaller picture" in large.json()["detail"]
    for wrong in ({"composite": "best"}, {"mask_scl": "3"}, {"composite": "mean", "mask_scl": "cloud"}):
        assert map_of(served, **wrong).status_code == 400
    lacking = map_of(served, "few", composite="mean", expression="b1", mask_scl="9")
    assert lacking.status_code == 400 and "SCL" in lacking.json()["detail"]
    cloudless = map_of(served, "few", composite="least-cloud", expression="b1")
    assert cloudless.status_code == 400 and "eo:cloud_cover" in cloudless.json()["detail"]
    nowhere = map_of(served, datetime="1999-01-01", composite="median", expression="B04")
    assert np.isnan(values(nowhere)).all()


def test_gaps_are_filled_from_further_pages(served):
    answer = map_of(served, "few", expression="b1")
    assert (values(answer) == 7).all()
    picture = map_of(served, "few", f="png", expression="b1", rescale="0,10")
    assert "swath-mosaic" not in picture.headers
    again = requests.get(picture.url, headers={"If-None-Match": picture.headers["etag"]}, timeout=TIMEOUT_S)
    assert again.status_code == 304


def test_a_cut_mosaic_says_so_and_gives_no_values(served):
    picture = map_of(served, "many", f="png", expression="b1", rescale="0,10")
    assert picture.headers["swath-mosaic"] == "cut; items=240"
    with MemoryFile(picture.content) as file, file.open() as image:
        seen = image.dataset_mask() > 0
    assert not seen[20:30, 20:30].any() and seen.sum() == SIDE * SIDE - 100
    for form in ("npy", "tif"):
        refused = map_of(served, "many", f=form, expression="b1")
        assert refused.status_code == 400 and "ask for a time" in refused.json()["detail"]
    coverage = {"SERVICE": "WCS", "VERSION": "2.0.1", "REQUEST": "GetCoverage", "COVERAGEID": "many", "FORMAT": "image/tiff"}
    refused = requests.get(f"{served.url}/ows", params=coverage, timeout=TIMEOUT_S)
    assert refused.status_code == 400 and "ask for a time" in refused.text
    # Where there is no gap, nothing is cut; nor in a time with fewer items.
    west, south, _, _ = BOUNDS
    corner = f"{west},{south},{west + 100},{south + 100}"
    full = map_of(served, "many", f="png", expression="b1", rescale="0,10", bbox=corner, width=10, height=10)
    assert full.status_code == 200 and "swath-mosaic" not in full.headers
    within = map_of(served, "many", expression="b1", datetime="2020-01-01/2020-03-01")
    assert (values(within) == 7).all()
