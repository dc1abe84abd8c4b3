"""OGC API Tiles and Maps through clients we did not write: GDAL and OWSLib; the marker of test_ows.py."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest
import rasterio
import requests
from owslib.ogcapi.maps import Maps
from rasterio.io import MemoryFile

from test_ows import (
    COLLECTION,
    CRS_OF_MARKER,
    DAYS,
    HIDDEN,
    TIMEOUT_S,
    bounds_in,
    bright_centre,
    expected_centre,
    is_north_first,
    rgba,
    served,
)

__all__ = ["served"]
REL = "http://www.opengis.net/def/rel/ogc/1.0"


def ask(served, path: str, headers: dict | None = None, **parameters) -> requests.Response:
    query = {name.replace("_", "-"): value for name, value in parameters.items()}
    return requests.get(f"{served.url}/ogc{path}", params=query, headers=headers, timeout=TIMEOUT_S)


def document(served, path: str) -> dict:
    answer = ask(served, path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def linked(found: dict, rel: str, kind: str | None = None) -> str:
    links = [link for link in found["links"] if link["rel"] == rel and kind in (None, link["type"])]
    assert links, (rel, found["links"])
    return links[0]["href"]


def opened(answer: requests.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return rgba(answer)


def test_links_lead_from_the_landing_page_to_a_tile(served):
    landing = document(served, "")
    assert requests.get(linked(landing, "service-desc"), timeout=TIMEOUT_S).json()["openapi"].startswith("3.0")
    conformance = requests.get(linked(landing, "conformance"), timeout=TIMEOUT_S).json()["conformsTo"]
    for name in ("ogcapi-tiles-1/1.0/conf/core", "ogcapi-maps-1/1.0/conf/core", "ogcapi-maps-1/1.0/conf/styled-map"):
        assert f"http://www.opengis.net/spec/{name}" in conformance
    collections = requests.get(linked(landing, "data"), timeout=TIMEOUT_S).json()["collections"]
    assert [collection["id"] for collection in collections] == [COLLECTION]
    collection = requests.get(linked(collections[0], "self"), timeout=TIMEOUT_S).json()
    assert collection == collections[0]
    assert np.allclose(collection["extent"]["spatial"]["bbox"][0], bounds_in("EPSG:4326"))
    tilesets = requests.get(linked(collection, f"{REL}/tilesets-map"), timeout=TIMEOUT_S).json()["tilesets"]
    assert {tileset["dataType"] for tileset in tilesets} == {"map"}
    for head in tilesets:
        tileset = requests.get(linked(head, "self"), timeout=TIMEOUT_S).json()
        scheme = requests.get(linked(tileset, f"{REL}/tiling-scheme"), timeout=TIMEOUT_S).json()
        assert scheme["uri"] == tileset["tileMatrixSetURI"] and scheme["crs"] == tileset["crs"]
        limits = tileset["tileMatrixSetLimits"][-1]
        template = linked(tileset, "item", "image/png")
        href = template.replace("{tileMatrix}", limits["tileMatrix"])
        href = href.replace("{tileRow}", str(limits["minTileRow"])).replace("{tileCol}", str(limits["minTileCol"]))
        assert opened(requests.get(href, timeout=TIMEOUT_S)).shape == (4, 256, 256)


def test_tile_matrix_sets_are_those_of_the_registry(served, data):
    listed = document(served, "/tileMatrixSets")["tileMatrixSets"]
    for name in ("WebMercatorQuad", "WorldCRS84Quad", "EuropeanETRS89_LAEAQuad", "UTM31WGS84Quad"):
        registered = json.loads((data / "reference-numeric" / "tilematrixsets" / f"{name}.json").read_text())
        entry = next(entry for entry in listed if entry["id"] == name)
        ours = requests.get(linked(entry, "self"), timeout=TIMEOUT_S).json()
        for key in ("id", "uri", "crs", "orderedAxes", "wellKnownScaleSet"):
            assert ours.get(key) == registered.get(key), (name, key)
        for matrix, expected in zip(ours["tileMatrices"], registered["tileMatrices"], strict=False):
            assert matrix["id"] == expected["id"]
            for key in ("scaleDenominator", "cellSize", "pointOfOrigin", "tileWidth", "matrixWidth", "matrixHeight"):
                assert np.allclose(matrix[key], expected[key], rtol=1e-9), (name, key)
    assert ask(served, "/tileMatrixSets/Mercator").status_code == 404


@pytest.mark.parametrize("crs", CRS_OF_MARKER)
def test_the_marker_is_where_it_belongs(served, crs):
    size = (400, 300)
    bounds = bounds_in(crs)
    west, south, east, north = bounds
    box = (south, west, north, east) if is_north_first(crs) else bounds
    uri = f"http://www.opengis.net/def/crs/EPSG/0/{crs.removeprefix('EPSG:')}"
    written = ",".join(f"{value:.12f}" for value in box)
    for name in (uri, f"[{crs}]"):
        answer = ask(served, f"/collections/{COLLECTION}/map", bbox=written, bbox_crs=name, crs=name, width=400, height=300)
        found = bright_centre(opened(answer))
        assert np.allclose(found, expected_centre(crs, bounds, size), atol=0.75)
        assert answer.headers["content-crs"] == f"<{uri}>"
        assert np.allclose([float(number) for number in answer.headers["content-bbox"].split(",")], box, rtol=1e-9)


def test_every_way_to_say_where_shows_the_same(served):
    west, south, east, north = bounds_in("EPSG:4326")
    path = f"/collections/{COLLECTION}/map"
    whole = opened(ask(served, path, width=200, height=100))
    box = opened(ask(served, path, bbox=f"{west!r},{south!r},{east!r},{north!r}", width=200, height=100))
    subset = f"Lat({south!r}:{north!r}),Lon({west!r}:{east!r})"
    cut = opened(ask(served, path, subset=subset, width=200, height=100))
    assert np.array_equal(whole, box) and np.array_equal(whole, cut)
    around = ask(served, path, center="500000,6197000", center_crs="[EPSG:32632]", crs="[EPSG:32632]", width=64, height=64)
    assert np.allclose([float(number) for number in around.headers["content-bbox"].split(",")], [499_680, 6_196_680, 500_320, 6_197_320])
    # A pixel of 0.28 mm at 1:100,000 is 28 m wide: 6,000 m are 214 pixels.
    scaled = ask(served, path, bbox="500000,6194000,506000,6200000", bbox_crs="[EPSG:32632]", crs="[EPSG:32632]", scale_denominator="100000")
    assert opened(scaled).shape[1:] == (214, 214)


def test_times_styles_and_forms(served):
    path = f"/collections/{COLLECTION}"
    blue = {"expression": "B02", "f": "npy", "width": 60, "height": 60}
    values = {}
    for query in (f"datetime={DAYS[0]}", f'subset=time("{DAYS[0]}")', f"datetime={DAYS[1]}", "datetime=..%2F2021-05-02"):
        answer = requests.get(f"{served.url}/ogc{path}/map?{query}", params=blue, timeout=TIMEOUT_S)
        assert answer.status_code == 200, answer.text
        content = answer.content
        bands = np.frombuffer(content[-2 * 60 * 60 * 4 :], "<f4").reshape(2, 60, 60)
        values[query] = float(bands[0][40, 50])
    assert list(values.values()) == pytest.approx([1_000, 1_000, 2_000, 1_000])
    styles = document(served, f"{path}/styles")
    assert styles["default"] in [style["id"] for style in styles["styles"]]
    for style in styles["styles"][:3]:
        href = linked(style, f"{REL}/map", "image/png")
        assert opened(requests.get(href, params={"width": 50}, timeout=TIMEOUT_S)).shape[2] == 50
        tilesets = requests.get(linked(style, f"{REL}/tilesets-map"), timeout=TIMEOUT_S).json()["tilesets"]
        tileset = requests.get(linked(tilesets[0], "self"), timeout=TIMEOUT_S).json()
        assert tileset["style"]["id"] == style["id"]
        assert f"/styles/{style['id']}/map/tiles/" in linked(tileset, "item")
    for accept, kind in (("image/jpeg", "image/jpeg"), ("image/webp;q=0.9,image/png;q=0.1", "image/webp"), ("*/*", "image/png")):
        answer = ask(served, f"{path}/map", {"Accept": accept}, width=50)
        assert answer.headers["content-type"] == kind and "Accept" in answer.headers["vary"]
    colored = opened(ask(served, f"{path}/map", bbox="8,55,8.1,55.1", width=8, height=8, bgcolor="0x102030"))
    assert colored[:3, 0, 0].tolist() == [16, 32, 48]
    tiff = ask(served, f"{path}/map", f="tif", crs="[EPSG:32632]", width=600, height=600, expression="B04")
    with MemoryFile(tiff.content) as file, file.open() as image:
        assert image.crs.to_epsg() == 32632 and image.dtypes == ("float32",)


def test_pictures_are_taken_from_caches(served):
    first = ask(served, f"/collections/{COLLECTION}/map", width=50)
    assert first.headers["etag"] and "public" in first.headers["cache-control"]
    again = ask(served, f"/collections/{COLLECTION}/map", {"If-None-Match": first.headers["etag"]}, width=50)
    assert again.status_code == 304 and not again.content
    assert "swath-mosaic" not in first.headers


@pytest.mark.parametrize(("path", "status", "word"), [
    ("/map?width=0", 400, "width"),
    ("/map?width=100000&height=10", 400, "8192"),
    ("/map?bbox=1,2,3", 400, "four"),
    ("/map?bbox_crs=EPSG:4326", 400, "bbox-crs"),
    ("/map?crs=EPSG:1", 400, "crs"),
    ("/map?datetime=yesterday", 400, ""),
    ("/map?subset=height(1:2)", 400, "axis"),
    ("/map?f=gif", 400, "png"),
    ("/map?composite=best", 400, "median"),
    ("/map?transparent=maybe", 400, "transparent"),
    ("/styles/none/map", 404, "style"),
    ("/styles/none/map/tiles", 404, "style"),
    ("/map/tiles/Mercator", 404, "WebMercatorQuad"),
    ("/map/tiles/UTM01WGS84Quad", 404, "UTM01"),
    ("/map/tiles/WebMercatorQuad/3/8/0", 404, "3"),
    ("/map/tiles/WebMercatorQuad/99/0/0", 404, "99"),
    ("/map/tiles/WebMercatorQuad/3/a/0", 400, "tileRow"),
    ("/nothing", 404, ""),
])
def test_failures_are_problem_documents(served, path, status, word):
    answer = ask(served, f"/collections/{COLLECTION}{path}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status and word in answer.json()["detail"]


def test_what_no_client_accepts_is_not_sent(served):
    for path, accept in (("/collections", "text/html"), (f"/collections/{COLLECTION}/map", "text/html")):
        answer = ask(served, path, {"Accept": accept})
        assert answer.status_code == 406 and answer.json()["status"] == 406


def test_private_collections_are_not_there(served):
    heads = {"Authorization": f"Bearer {served.token}"}
    paths = ("", "/styles", "/map", "/map/tiles", "/map/tiles/WebMercatorQuad", "/map/tiles/WebMercatorQuad/0/0/0")
    for path in paths:
        hidden = ask(served, f"/collections/{HIDDEN}{path}")
        absent = ask(served, f"/collections/absent{path}")
        assert hidden.status_code == absent.status_code == 404
        assert hidden.text.replace(HIDDEN, "absent") == absent.text
        shown = ask(served, f"/collections/{HIDDEN}{path}", heads)
        assert shown.status_code == 200, shown.text
    assert HIDDEN not in ask(served, "/collections").text
    assert HIDDEN in ask(served, "/collections", heads).text
    assert ask(served, f"/collections/{HIDDEN}/map", heads).headers["cache-control"].startswith("private")


def test_owslib_finds_and_draws(served):
    maps = Maps(f"{served.url}/ogc/")
    assert maps.maps() == [COLLECTION]
    assert maps.api()["openapi"].startswith("3.0")
    assert any("ogcapi-maps-1" in name for name in maps.conformance()["conformsTo"])
    bounds = bounds_in("EPSG:4326")
    picture = maps.map(COLLECTION, bbox=list(bounds), width=400, height=300, datetime_=DAYS[1])
    with MemoryFile(picture.read()) as file, file.open() as image:
        found = bright_centre(image.read())
    assert np.allclose(found, expected_centre("OGC:CRS84", bounds, (400, 300)), atol=0.75)
    style = document(served, f"/collections/{COLLECTION}/styles")["default"]
    assert maps.map(COLLECTION, bbox=list(bounds), style=style).read()


def gdal(program: str) -> str:
    """A program of a GDAL with the driver OGCAPI; the wheels of rasterio have none."""
    found = shutil.which(program)
    formats = found and subprocess.run([found, "--formats"], capture_output=True, text=True, check=True).stdout
    if not formats or "OGCAPI" not in formats:
        pytest.skip(f"skipped: no {program} with the driver OGCAPI; install gdal-bin")
    return found


def test_gdal_draws_the_marker_by_maps(served, tmp_path):
    target = tmp_path / "marker.tif"
    source = f"OGCAPI:{served.url}/ogc/collections/{COLLECTION}"
    west, south, east, north = bounds_in("EPSG:4326")
    window = ["-projwin", *(repr(value) for value in (west, north, east, south)), "-outsize", "400", "300"]
    command = [gdal("gdal_translate"), "-q", source, str(target), "-oo", "API=MAP", "-oo", "CACHE=NO", *window]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    with rasterio.open(target) as image:
        found = bright_centre(image.read())
        placed = tuple(image.bounds)
    # GDAL cuts at whole pixels of its source.
    assert np.allclose(found, expected_centre("EPSG:4326", placed, (400, 300)), atol=1.5)


@pytest.mark.parametrize("name", ["WebMercatorQuad", "UTM32WGS84Quad"])
def test_gdal_draws_the_marker_by_tiles(served, name):
    """The tile reader of GDAL with what the documents say: template, origin, size of a cell, limits."""
    tileset = document(served, f"/collections/{COLLECTION}/map/tiles/{name}")
    scheme = requests.get(linked(tileset, f"{REL}/tiling-scheme"), timeout=TIMEOUT_S).json()
    matrix = next(matrix for matrix in scheme["tileMatrices"] if matrix["id"] == "14")
    limits = next(limits for limits in tileset["tileMatrixSetLimits"] if limits["tileMatrix"] == "14")
    url = linked(tileset, "item", "image/png").replace("{tileMatrix}", "14").replace("{tileRow}", "${y}").replace("{tileCol}", "${x}")
    side = matrix["cellSize"] * 256
    west = matrix["pointOfOrigin"][0] + limits["minTileCol"] * side
    north = matrix["pointOfOrigin"][1] - limits["minTileRow"] * side
    columns = limits["maxTileCol"] - limits["minTileCol"] + 1
    rows = limits["maxTileRow"] - limits["minTileRow"] + 1
    crs = f"EPSG:{scheme['crs'].rsplit('/', 1)[1]}"
    description = f"""<GDAL_WMS><Service name="TMS"><ServerUrl>{url}</ServerUrl></Service>
        <DataWindow><UpperLeftX>{west!r}</UpperLeftX><UpperLeftY>{north!r}</UpperLeftY>
        <LowerRightX>{west + columns * side!r}</LowerRightX><LowerRightY>{north - rows * side!r}</LowerRightY>
        <TileLevel>14</TileLevel><TileX>{limits["minTileCol"]}</TileX><TileY>{limits["minTileRow"]}</TileY>
        <SizeX>{columns * 256}</SizeX><SizeY>{rows * 256}</SizeY><YOrigin>top</YOrigin></DataWindow>
        <Projection>{crs}</Projection><BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY><BandsCount>4</BandsCount></GDAL_WMS>"""
    with rasterio.open(description) as image:
        found = bright_centre(image.read())
        expected = expected_centre(crs, tuple(image.bounds), (image.width, image.height))
    assert np.allclose(found, expected, atol=0.75)


def test_gdal_lists_collections(served):
    command = [gdal("gdalinfo"), "-json", f"OGCAPI:{served.url}/ogc"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True).stdout
    names = json.loads(found)["metadata"]["SUBDATASETS"].values()
    assert f"OGCAPI:{served.url}/ogc/collections/{COLLECTION}" in names
