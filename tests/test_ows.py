"""WMS, WMTS and WCS through clients we did not write: GDAL and OWSLib; documents against the schemas of OGC."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.warp
import requests
from rasterio.crs import CRS
from rasterio.io import MemoryFile
from rasterio.transform import from_bounds, from_origin

import serving

COLLECTION = "marker"
HIDDEN = "hidden"
SIZE = 600
RESOLUTION_M = 10.0
LEFT, TOP = 500_000.0, 6_200_000.0
# The bright block: columns and rows of the image.
BLOCK = (60, 140, 80, 120)
DAYS = ("2021-05-01", "2021-05-11")
TIMEOUT_S = 60


def picture(brightness: int) -> np.ndarray:
    """Three bands: columns, rows, a constant; a block of 9,000 in all."""
    columns, rows = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    bands = np.stack([columns + 100, rows + 100, np.full_like(rows, brightness)]).astype("uint16")
    first_column, end_column, first_row, end_row = BLOCK
    bands[:, first_row:end_row, first_column:end_column] = 9_000
    return bands


def write_raster(path: Path, bands: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "GTiff",
        "width": SIZE,
        "height": SIZE,
        "count": len(bands),
        "dtype": "uint16",
        "crs": "EPSG:32632",
        "transform": from_origin(LEFT, TOP, RESOLUTION_M, RESOLUTION_M),
        "nodata": 0,
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "compress": "deflate",
    }
    with rasterio.open(path, "w", **profile) as out:
        out.write(bands)


def item(collection: str, day: str) -> dict:
    bounds = rasterio.warp.transform_bounds(
        "EPSG:32632", "EPSG:4326", LEFT, TOP - SIZE * RESOLUTION_M, LEFT + SIZE * RESOLUTION_M, TOP
    )
    west, south, east, north = bounds
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    bands = [{"name": name, "eo:common_name": color, "data_type": "uint16", "nodata": 0}
             for name, color in (("B04", "red"), ("B03", "green"), ("B02", "blue"))]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": f"{collection}-{day}",
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": list(bounds),
        "properties": {
            "datetime": f"{day}T10:50:00Z",
            "proj:code": "EPSG:32632",
            "proj:shape": [SIZE, SIZE],
            "proj:transform": [RESOLUTION_M, 0, LEFT, 0, -RESOLUTION_M, TOP],
        },
        "links": [],
        "assets": {"data": {
            "href": f"archive:{collection}/{day}.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
            "bands": bands,
        }},
    }


@pytest.fixture(scope="module")
def served(binary, tmp_path_factory):
    """A server with two days of one tile, and a collection that nobody but the operator may see."""
    from conftest import Swath

    folder = tmp_path_factory.mktemp("ows")
    swath = Swath(binary, folder / "home")
    swath.home.mkdir()
    archive = folder / "archive"
    (swath.home / "swath.toml").write_text(f'[stores.archive]\nprefix = "{archive}"\n')
    token = swath("token", "create", "--name", "tests", "--role", "operator").stdout.strip()
    log = (folder / "server.log").open("wb")
    process = swath.start("serve", "--port", "0", stdout=subprocess.DEVNULL, stderr=log)
    url = serving.listening(folder / "server.log", process)
    found = serving.Served(swath, folder, process, url, token)
    heads = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for collection, visibility in ((COLLECTION, "public"), (HIDDEN, "private")):
        for number, day in enumerate(DAYS):
            write_raster(archive / collection / f"{day}.tif", picture(1_000 * (number + 1)))
        described = {
            "type": "Collection",
            "stac_version": "1.1.0",
            "id": collection,
            "title": f"Marker <{collection}>",
            "description": "A gradient with a bright block & more",
            "license": "other",
            "extent": {"spatial": {"bbox": [item(collection, DAYS[0])["bbox"]]},
                       "temporal": {"interval": [[f"{DAYS[0]}T00:00:00Z", None]]}},
            "links": [],
            "swath:prefixes": [f"archive:{collection}"],
            "swath:visibility": visibility,
        }
        answer = found.get("/stac/collections", heads, "POST", json.dumps(described).encode())
        assert answer.status in (200, 201), answer.body
        for day in DAYS:
            path = f"/stac/collections/{collection}/items"
            answer = found.get(path, heads, "POST", json.dumps(item(collection, day)).encode())
            assert answer.status in (200, 201), answer.body
    yield found
    serving.stop(found)


@pytest.fixture(scope="module")
def source(served) -> Path:
    return served.folder / "archive" / COLLECTION / f"{DAYS[-1]}.tif"


def ows(served, service: str, **parameters) -> requests.Response:
    query = {"SERVICE": service, **parameters}
    return requests.get(f"{served.url}/ows", params=query, timeout=TIMEOUT_S)


def bounds_in(crs: str) -> tuple[float, float, float, float]:
    return rasterio.warp.transform_bounds(
        "EPSG:32632", crs, LEFT, TOP - SIZE * RESOLUTION_M, LEFT + SIZE * RESOLUTION_M, TOP
    )


def is_north_first(crs: str) -> bool:
    return crs in ("EPSG:4326", "EPSG:3035", "EPSG:4258")


def get_map(served, version: str, crs: str, bounds, size=(400, 300), **parameters) -> requests.Response:
    west, south, east, north = bounds
    swapped = version == "1.3.0" and is_north_first(crs)
    box = (south, west, north, east) if swapped else (west, south, east, north)
    query = {
        "VERSION": version,
        "REQUEST": "GetMap",
        "LAYERS": COLLECTION,
        "STYLES": "",
        "CRS" if version == "1.3.0" else "SRS": crs,
        "BBOX": ",".join(f"{value:.20f}" for value in box),
        "WIDTH": size[0],
        "HEIGHT": size[1],
        "FORMAT": "image/png",
        "TRANSPARENT": "TRUE",
    }
    query.update(parameters)
    return ows(served, "WMS", **query)


def pixels(content: bytes) -> np.ndarray:
    with MemoryFile(content) as file, file.open() as image:
        return image.read()


def rgba(answer: requests.Response) -> np.ndarray:
    assert answer.headers["content-type"].startswith("image/"), answer.text[:500]
    with MemoryFile(answer.content) as file, file.open() as image:
        bands = image.read()
        if image.count == 1:
            palette = image.colormap(1)
            return np.stack([np.vectorize(lambda value, part=part: palette[value][part])(bands[0]) for part in range(4)])
        return bands


def bright_centre(image: np.ndarray) -> tuple[float, float]:
    """Column and row of the middle of the bright block."""
    rows, columns = np.nonzero((image[:3] >= 250).all(axis=0) & (image[-1] > 0))
    assert len(rows), "no bright block"
    return columns.mean() + 0.5, rows.mean() + 0.5


def expected_centre(crs: str, bounds, size) -> tuple[float, float]:
    """Where the block lies by projecting the source with GDAL (nearest, exact)."""
    first_column, end_column, first_row, end_row = BLOCK
    marked = np.zeros((SIZE, SIZE), dtype="uint8")
    marked[first_row:end_row, first_column:end_column] = 1
    target = np.zeros((size[1], size[0]), dtype="uint8")
    rasterio.warp.reproject(
        marked,
        target,
        src_transform=from_origin(LEFT, TOP, RESOLUTION_M, RESOLUTION_M),
        src_crs="EPSG:32632",
        dst_transform=from_bounds(*bounds, *size),
        dst_crs=crs,
        resampling=rasterio.warp.Resampling.nearest,
        tolerance=0,
    )
    rows, columns = np.nonzero(target)
    return columns.mean() + 0.5, rows.mean() + 0.5


CRS_OF_MARKER = ("EPSG:4326", "EPSG:3857", "EPSG:32632", "EPSG:3035")


@pytest.mark.parametrize("crs", CRS_OF_MARKER)
@pytest.mark.parametrize("version", ["1.1.1", "1.3.0"])
def test_the_marker_is_where_it_belongs(served, version, crs):
    size = (400, 300)
    bounds = bounds_in(crs)
    found = bright_centre(rgba(get_map(served, version, crs, bounds, size)))
    assert np.allclose(found, expected_centre(crs, bounds, size), atol=0.75)


@pytest.mark.parametrize("crs", CRS_OF_MARKER)
@pytest.mark.parametrize("version", ["1.1.1", "1.3.0"])
def test_gdal_draws_the_marker(served, version, crs):
    size = (320, 240)
    bounds = bounds_in(crs)
    west, south, east, north = bounds
    name = "CRS" if version == "1.3.0" else "SRS"
    order = "yxYX" if version == "1.3.0" and is_north_first(crs) else "xyXY"
    description = f"""<GDAL_WMS><Service name="WMS"><Version>{version}</Version>
        <ServerUrl>{served.url}/ows?SERVICE=WMS&amp;BGCOLOR=0x000000</ServerUrl><{name}>{crs}</{name}>
        <ImageFormat>image/png</ImageFormat><Layers>{COLLECTION}</Layers><Styles></Styles>
        <BBoxOrder>{order}</BBoxOrder></Service>
        <DataWindow><UpperLeftX>{west!r}</UpperLeftX><UpperLeftY>{north!r}</UpperLeftY>
        <LowerRightX>{east!r}</LowerRightX><LowerRightY>{south!r}</LowerRightY>
        <SizeX>{size[0]}</SizeX><SizeY>{size[1]}</SizeY></DataWindow>
        <Projection>{crs}</Projection><BandsCount>3</BandsCount></GDAL_WMS>"""
    with rasterio.open(description) as image:
        bands = image.read()
    found = bright_centre(np.concatenate([bands, np.full_like(bands[:1], 255)]))
    assert np.allclose(found, expected_centre(crs, bounds, size), atol=0.75)


def test_gdal_finds_layers_in_both_versions(served):
    for version in ("1.1.1", "1.3.0"):
        with rasterio.open(f"WMS:{served.url}/ows?SERVICE=WMS&VERSION={version}&REQUEST=GetCapabilities") as image:
            assert any(f"LAYERS={COLLECTION}&" in name for name in image.subdatasets), image.subdatasets


@pytest.mark.parametrize("matrix_set", ["WebMercatorQuad", "WGS1984Quad", "EuropeanETRS89_LAEAQuad", "UTM32WGS84Quad"])
def test_gdal_reads_tiles(served, matrix_set):
    name = f"WMTS:{served.url}/wmts/1.0.0/WMTSCapabilities.xml,layer={COLLECTION},tilematrixset={matrix_set},tilematrix=14"
    crs = {"WebMercatorQuad": "EPSG:3857", "WGS1984Quad": "EPSG:4326",
           "EuropeanETRS89_LAEAQuad": "EPSG:3035", "UTM32WGS84Quad": "EPSG:32632"}[matrix_set]
    with rasterio.open(name) as tiles:
        assert tiles.crs == CRS.from_string(crs)
        window = tiles.window(*bounds_in(crs)).round_offsets().round_lengths()
        bands = tiles.read(window=window)
        bounds = tiles.window_bounds(window)
    size = bands.shape[2], bands.shape[1]
    if bands.shape[0] == 3:
        bands = np.concatenate([bands, np.full_like(bands[:1], 255)])
    assert np.allclose(bright_centre(bands), expected_centre(crs, bounds, size), atol=1.0)


@pytest.mark.parametrize("version", ["1.0.0", "2.0.1"])
@pytest.mark.parametrize("coverage", [COLLECTION, f"{COLLECTION}__{COLLECTION}-{DAYS[-1]}"])
def test_coverages_come_bit_by_bit(served, source, version, coverage, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with rasterio.open(source) as image:
        expected, transform, crs = image.read(), image.transform, image.crs
    with rasterio.open(f"WCS:{served.url}/ows?version={version}&coverage={coverage}") as found:
        assert (found.width, found.height, found.count) == (SIZE, SIZE, 3)
        assert found.transform == transform and found.crs == crs
        assert found.dtypes == ("uint16",) * 3
        assert np.array_equal(found.read(), expected)


def wcs2(served, *subsets, **parameters) -> requests.Response:
    query = [("SERVICE", "WCS"), ("VERSION", "2.0.1"), ("REQUEST", "GetCoverage"), ("COVERAGEID", COLLECTION)]
    query += [("SUBSET", subset) for subset in subsets]
    query += list(parameters.items())
    return requests.get(f"{served.url}/ows", params=query, timeout=TIMEOUT_S)


def test_parts_of_a_coverage(served, source):
    with rasterio.open(source) as image:
        expected = image.read()
    answer = wcs2(served, "x(500100,500200)", "y(6199800,6199900)", RANGESUBSET="B03")
    assert answer.headers["content-type"] == "image/tiff", answer.text
    with MemoryFile(answer.content) as file, file.open() as part:
        assert part.transform == from_origin(500_100, 6_199_900, 10, 10) and part.nodata == 0
        assert np.array_equal(part.read(1), expected[1, 10:20, 10:20])
        assert part.descriptions == ("B03",)
    half = wcs2(served, SCALEFACTOR="0.5", INTERPOLATION="http://www.opengis.net/def/interpolation/OGC/1/average")
    with MemoryFile(half.content) as file, file.open() as part:
        assert (part.width, part.height) == (SIZE // 2, SIZE // 2)
    older = wcs2(served, f'time("{DAYS[0]}")', RANGESUBSET="B02")
    assert pixels(older.content)[0, 0, 0] == 1_000
    newest = wcs2(served, RANGESUBSET="B02")
    assert pixels(newest.content)[0, 0, 0] == 2_000
    other = wcs2(served, OUTPUTCRS="http://www.opengis.net/def/crs/EPSG/0/3857", SCALESIZE="x(200),y(150)")
    with MemoryFile(other.content) as file, file.open() as part:
        assert part.crs == CRS.from_epsg(3857) and (part.width, part.height) == (200, 150)


def schema(served, shared, path: str, *documents: bytes) -> None:
    tool = shared / "tools" / "xsd_validate.py"
    if not tool.is_file():
        pytest.skip(f"skipped: {tool} is not there")
    files = []
    for number, document in enumerate(documents):
        file = served.folder / f"document-{number}.xml"
        file.write_bytes(document)
        files.append(str(file))
    done = subprocess.run([sys.executable, str(tool), path, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_documents_are_valid(served, shared):
    capabilities = ows(served, "WMS", REQUEST="GetCapabilities").content
    schema(served, shared, "ogc/wms/1.3.0/capabilities_1_3_0.xsd", capabilities)
    failed = ows(served, "WMS", REQUEST="GetMap", VERSION="1.3.0").content
    schema(served, shared, "ogc/wms/1.3.0/exceptions_1_3_0.xsd", failed)
    tiles = requests.get(f"{served.url}/wmts/1.0.0/WMTSCapabilities.xml", timeout=TIMEOUT_S).content
    schema(served, shared, "ogc/wmts/1.0/wmtsGetCapabilities_response.xsd", tiles)
    failed = ows(served, "WMTS", REQUEST="GetTile").content
    schema(served, shared, "ogc/ows/1.1.0/owsExceptionReport.xsd", failed)
    new = [ows(served, "WCS", VERSION="2.0.1", **query).content for query in (
        {"REQUEST": "GetCapabilities"}, {"REQUEST": "DescribeCoverage", "COVERAGEID": COLLECTION})]
    schema(served, shared, "ogc/wcs/2.0/wcsAll.xsd", *new)
    failed = ows(served, "WCS", VERSION="2.0.1", REQUEST="GetCoverage", COVERAGEID="none").content
    schema(served, shared, "ogc/ows/2.0/owsExceptionReport.xsd", failed)
    old = ows(served, "WCS", VERSION="1.0.0", REQUEST="GetCapabilities").content
    schema(served, shared, "ogc/wcs/1.0.0/wcsCapabilities.xsd", old)
    described = ows(served, "WCS", VERSION="1.0.0", REQUEST="DescribeCoverage", COVERAGE=COLLECTION).content
    schema(served, shared, "ogc/wcs/1.0.0/describeCoverage.xsd", described)
    failed = ows(served, "WCS", VERSION="1.0.0", REQUEST="GetCoverage", COVERAGE="none").content
    schema(served, shared, "ogc/wcs/1.0.0/OGC-exception.xsd", failed)


def test_the_old_wms_follows_its_dtd(served, shared):
    from lxml import etree

    folder = shared / "schemas" / "xsd" / "ogc" / "wms" / "1.1.1"
    if not folder.is_dir():
        pytest.skip(f"skipped: {folder} is not there")
    for name, query in (("WMS_MS_Capabilities.dtd", {"REQUEST": "GetCapabilities"}), ("exception_1_1_1.dtd", {"REQUEST": "GetMap"})):
        document = etree.fromstring(ows(served, "WMS", VERSION="1.1.1", **query).content)
        with (folder / name).open() as file:
            rules = etree.DTD(file)
        assert rules.validate(document), rules.error_log


def code_of(answer: requests.Response) -> str | None:
    root = ET.fromstring(answer.content)
    for element in root.iter():
        if element.tag.endswith(("ServiceException", "Exception")):
            return element.get("code") or element.get("exceptionCode")
    raise AssertionError(answer.text)


@pytest.mark.parametrize(("change", "code"), [
    ({"LAYERS": "none"}, "LayerNotDefined"),
    ({"LAYERS": HIDDEN}, "LayerNotDefined"),
    ({"STYLES": "none"}, "StyleNotDefined"),
    ({"FORMAT": "image/bmp"}, "InvalidFormat"),
    ({"CRS": "EPSG:1"}, "InvalidCRS"),
    ({"TIME": "soon"}, "InvalidDimensionValue"),
    ({"REQUEST": "GetWeather"}, "OperationNotSupported"),
    ({"WIDTH": "99999"}, None),
    ({"BBOX": "1,2,3"}, None),
    ({"LAYERS": ",".join([COLLECTION] * 9)}, None),
])
def test_bad_maps_get_the_words_of_wms(served, change, code):
    answer = get_map(served, "1.3.0", "EPSG:3857", bounds_in("EPSG:3857"), **change)
    assert answer.status_code == 200 and code_of(answer) == code, answer.text


def test_limits_are_named(served):
    answer = get_map(served, "1.3.0", "EPSG:3857", bounds_in("EPSG:3857"), WIDTH="99999")
    assert "4096" in answer.text
    capabilities = ows(served, "WMS", REQUEST="GetCapabilities").text
    assert "<MaxWidth>4096</MaxWidth>" in capabilities and "<LayerLimit>8</LayerLimit>" in capabilities
    assert "8192" in wcs2(served, SCALEFACTOR="1000").text


def test_failures_may_come_as_pictures(served):
    bounds = bounds_in("EPSG:3857")
    for form in ("INIMAGE", "BLANK"):
        answer = get_map(served, "1.3.0", "EPSG:3857", bounds, LAYERS="none", EXCEPTIONS=form, TRANSPARENT="FALSE", BGCOLOR="0x102030")
        image = rgba(answer)
        assert image.shape[1:] == (300, 400) and tuple(image[:3, -1, -1]) == (0x10, 0x20, 0x30)
        assert (np.unique(image[0]).size > 1) == (form == "INIMAGE")
    old = get_map(served, "1.1.1", "EPSG:3857", bounds, SRS="EPSG:1", EXCEPTIONS="application/vnd.ogc.se_blank")
    assert old.headers["content-type"] == "image/png"
    assert code_of(get_map(served, "1.1.1", "EPSG:1", bounds)) == "InvalidSRS"


def test_time_chooses_what_is_shown(served):
    bounds = bounds_in("EPSG:32632")

    def blue(time: str | None) -> int:
        extra = {"TIME": time} if time else {}
        answer = get_map(served, "1.3.0", "EPSG:32632", bounds, (50, 50), STYLES="B02", RESCALE="0,4000", **extra)
        return int(rgba(answer)[0, -1, -1])

    older, newer = blue(DAYS[0]), blue(DAYS[1])
    assert older < newer == blue(None) == blue("current")
    assert blue("2021-05-02") == older and blue("2030") == newer
    assert blue(f"2021-04-01/{DAYS[0]}") == older
    assert blue(f"{DAYS[0]},{DAYS[1]}") == newer and blue(f"{DAYS[1]},{DAYS[0]}") == older
    nothing = get_map(served, "1.3.0", "EPSG:32632", bounds, (50, 50), TIME="2021-06-01/2021-06-30")
    assert rgba(nothing)[-1].max() == 0


def test_several_layers_are_laid_over_each_other(served):
    bounds = bounds_in("EPSG:32632")
    items = [f"{COLLECTION}:{COLLECTION}-{day}" for day in DAYS]
    both = get_map(served, "1.3.0", "EPSG:32632", bounds, (50, 50), LAYERS=",".join(items), STYLES="B02,B02", RESCALE="0,4000")
    upper = get_map(served, "1.3.0", "EPSG:32632", bounds, (50, 50), LAYERS=items[1], STYLES="B02", RESCALE="0,4000")
    assert np.array_equal(rgba(both)[:3], rgba(upper)[:3])


def info(served, **parameters) -> requests.Response:
    bounds = bounds_in("EPSG:32632")
    asked = {"REQUEST": "GetFeatureInfo", "QUERY_LAYERS": COLLECTION, "I": 100, "J": 90, **parameters}
    return get_map(served, "1.3.0", "EPSG:32632", bounds, (SIZE, SIZE), **asked)


def test_a_pixel_tells_its_values(served):
    answer = info(served, INFO_FORMAT="application/json")
    feature = answer.json()["features"][0]
    assert feature["properties"] == {"B04": 9_000, "B03": 9_000, "B02": 9_000}
    assert "B04 = 9000" in info(served, INFO_FORMAT="text/plain").text
    page = info(served, INFO_FORMAT="text/html")
    assert "<td>9000</td>" in page.text and page.headers["content-type"].startswith("text/html")
    assert code_of(info(served, INFO_FORMAT="text/plain", J=SIZE)) == "InvalidPoint"
    assert code_of(info(served, INFO_FORMAT="image/png")) == "InvalidFormat"


def test_legends_are_pictures_of_the_declared_size(served):
    capabilities = ET.fromstring(ows(served, "WMS", REQUEST="GetCapabilities").content)
    names = {"wms": "http://www.opengis.net/wms", "xlink": "http://www.w3.org/1999/xlink"}
    legends = capabilities.findall(".//wms:LegendURL", names)
    assert legends
    for legend in legends:
        href = legend.find("wms:OnlineResource", names).get("{http://www.w3.org/1999/xlink}href")
        image = pixels(requests.get(href, timeout=TIMEOUT_S).content)
        assert image.shape[1:] == (int(legend.get("height")), int(legend.get("width")))


def test_tiles_by_query_and_path_are_the_same(served):
    from owslib.wmts import WebMapTileService

    service = WebMapTileService(f"{served.url}/wmts/1.0.0/WMTSCapabilities.xml")
    assert COLLECTION in service.contents and HIDDEN not in service.contents
    limits = service.contents[COLLECTION].tilematrixsetlinks["WebMercatorQuad"].tilematrixlimits["12"]
    place = {"tilematrixset": "WebMercatorQuad", "tilematrix": "12", "row": limits.mintilerow, "column": limits.mintilecol}
    style = next(iter(service.contents[COLLECTION].styles))
    by_query = service.gettile(layer=COLLECTION, style=style, format="image/png", **place).read()
    path = f"{served.url}/wmts/1.0.0/{COLLECTION}/{style}/current/WebMercatorQuad/12/{limits.mintilerow}/{limits.mintilecol}"
    answer = requests.get(f"{path}.png", timeout=TIMEOUT_S)
    assert answer.content == by_query
    again = requests.get(f"{path}.png", headers={"If-None-Match": answer.headers["etag"]}, timeout=TIMEOUT_S)
    assert again.status_code == 304
    values = requests.get(f"{path}/128/128.json", timeout=TIMEOUT_S)
    assert list(values.json()["features"][0]["properties"]) == ["B04", "B03", "B02"]
    wrong = requests.get(f"{served.url}/wmts/1.0.0/{COLLECTION}/{style}/current/WebMercatorQuad/12/0/0.png", timeout=TIMEOUT_S)
    assert wrong.status_code == 400 and code_of(wrong) == "TileOutOfRange"
    for change, code in (("{0}/none/current/WebMercatorQuad/12/0/0.png", 400), ("none/{1}/current/WebMercatorQuad/12/0/0.png", 400)):
        answer = requests.get(f"{served.url}/wmts/1.0.0/{change.format(COLLECTION, style)}", timeout=TIMEOUT_S)
        assert answer.status_code == code and code_of(answer)


def test_owslib_speaks_with_all(served):
    from owslib.wcs import WebCoverageService
    from owslib.wms import WebMapService

    west, south, east, north = bounds_in("EPSG:4326")
    for version in ("1.1.1", "1.3.0"):
        service = WebMapService(f"{served.url}/ows", version=version)
        layer = service.contents[COLLECTION]
        assert np.allclose(layer.boundingBoxWGS84, (west, south, east, north), atol=1e-3)
        assert layer.timepositions == list(DAYS)
        image = service.getmap(layers=[COLLECTION], styles=[""], srs="EPSG:4326", bbox=(west, south, east, north),
                               size=(200, 150), format="image/png", transparent=True)
        found = bright_centre(pixels(image.read()))
        assert np.allclose(found, expected_centre("EPSG:4326", (west, south, east, north), (200, 150)), atol=0.75)
    service = WebCoverageService(f"{served.url}/ows", version="2.0.1")
    part = service.getCoverage(identifier=COLLECTION, format="image/tiff", subsets=[("x", 500_000, 501_000), ("y", 6_199_000, 6_200_000)])
    assert pixels(part.read()).shape == (3, 100, 100)
    old = WebCoverageService(f"{served.url}/ows", version="1.0.0")
    part = old.getCoverage(identifier=COLLECTION, bbox=(500_000, 6_199_000, 501_000, 6_200_000), crs="EPSG:32632",
                           width=100, height=100, format="GeoTIFF")
    assert pixels(part.read()).shape == (3, 100, 100)


@pytest.mark.parametrize(("query", "status", "code"), [
    ("VERSION=2.0.1&REQUEST=GetCoverage&COVERAGEID=none", 404, "NoSuchCoverage"),
    (f"VERSION=2.0.1&REQUEST=GetCoverage&COVERAGEID={HIDDEN}", 404, "NoSuchCoverage"),
    (f"VERSION=2.0.1&REQUEST=GetCoverage&COVERAGEID={COLLECTION}&SUBSET=z(1,2)", 400, "InvalidAxisLabel"),
    (f"VERSION=2.0.1&REQUEST=GetCoverage&COVERAGEID={COLLECTION}&SUBSET=x(1,2)", 400, "InvalidSubsetting"),
    (f"VERSION=2.0.1&REQUEST=GetCoverage&COVERAGEID={COLLECTION}&OUTPUTCRS=EPSG:1", 400, "OutputCrs-NotSupported"),
    (f"VERSION=2.0.1&REQUEST=GetCoverage&COVERAGEID={COLLECTION}&RANGESUBSET=B99", 400, "NoSuchField"),
    (f"VERSION=2.0.1&REQUEST=GetCoverage&COVERAGEID={COLLECTION}&SCALEFACTOR=0", 400, "InvalidScaleFactor"),
    ("ACCEPTVERSIONS=1.1.0&REQUEST=GetCapabilities", 400, "VersionNegotiationFailed"),
    ("VERSION=2.0.1&REQUEST=DescribeCoverage", 400, "MissingParameterValue"),
    ("VERSION=1.0.0&REQUEST=DescribeCoverage&COVERAGE=none", 200, "CoverageNotDefined"),
])
def test_bad_coverages_get_the_words_of_wcs(served, query, status, code):
    answer = requests.get(f"{served.url}/ows?SERVICE=WCS&{query}", timeout=TIMEOUT_S)
    assert (answer.status_code, code_of(answer)) == (status, code), answer.text


def test_what_is_private_is_in_no_document(served):
    for service, version in (("WMS", "1.1.1"), ("WMS", "1.3.0"), ("WMTS", "1.0.0"), ("WCS", "1.0.0"), ("WCS", "2.0.1")):
        query = {"SERVICE": service, "VERSION": version, "REQUEST": "GetCapabilities"}
        url = f"{served.url}/ows?{urllib.parse.urlencode(query)}"
        assert HIDDEN not in requests.get(url, timeout=TIMEOUT_S).text
        seen = requests.get(url, headers={"Authorization": f"Bearer {served.token}"}, timeout=TIMEOUT_S)
        assert HIDDEN in seen.text, service


def test_links_follow_a_proxy(served):
    heads = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "eo.example.org", "X-Forwarded-Prefix": "/maps"}
    for service in ("WMS", "WMTS", "WCS"):
        query = {"SERVICE": service, "REQUEST": "GetCapabilities"}
        text = requests.get(f"{served.url}/ows", params=query, headers=heads, timeout=TIMEOUT_S).text
        links = re.findall(r'(?:href|template)="(http[^"]+)"', text)
        ours = [link for link in links if "schemas" not in link]
        assert ours and all(link.startswith("https://eo.example.org/maps/") for link in ours)
