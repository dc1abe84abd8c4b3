"""Tiles beside GDAL's warp of the same grid: places, values, formats, failures, who sees what."""

from __future__ import annotations

import io
import json
import subprocess
import urllib.parse
from dataclasses import dataclass

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.transform import Affine
from rasterio.warp import reproject, transform, transform_bounds

import serving
from conftest import Swath

SIZE = 1024
PIXEL_M = 10.0
WEST, NORTH = 500_000.0, 6_200_000.0
SOURCE_CRS = "EPSG:32632"
#: First row and column of the white block, and its side.
MARKER, MARKER_SIDE = 320, 64
SCALE = "expression=b1;b2;b3&rescale=0,255"


@dataclass
class Grid:
    """A level of a set of tiles, by the numbers of OGC's registry."""

    tms: str
    crs: str
    zoom: str
    west: float
    north: float
    cell: float

    def tile_at(self, x: float, y: float) -> tuple[int, int]:
        side = 256 * self.cell
        return int((x - self.west) // side), int((self.north - y) // side)

    def transform(self, col: int, row: int, scale: int = 1) -> Affine:
        side = 256 * self.cell
        cell = self.cell / scale
        return Affine(cell, 0, self.west + col * side, 0, -cell, self.north - row * side)


GRIDS = [
    Grid("WebMercatorQuad", "EPSG:3857", "13", -20037508.342789244, 20037508.342789244, 156543.03392804097 / 2**13),
    Grid("WorldCRS84Quad", "OGC:CRS84", "13", -180.0, 90.0, 0.703125 / 2**13),
    Grid("WGS1984Quad", "OGC:CRS84", "13", -180.0, 90.0, 0.703125 / 2**13),
    Grid("UTM32WGS84Quad", SOURCE_CRS, "14", -9501965.72931276, 20003931.4586255, 78140.3572602559 / 2**13),
    Grid("EuropeanETRS89_LAEAQuad", "EPSG:3035", "11", 2000000.0, 5500000.0, 17578.125 / 2**11),
]


def pixels() -> np.ndarray:
    """Three smooth bands, a white block, and a strip of nothing along the eastern edge."""
    row, col = np.mgrid[0:SIZE, 0:SIZE]
    bands = np.stack([col * 180 // SIZE + 10, row * 180 // SIZE + 10, (row + col) * 90 // SIZE + 10]).astype("uint8")
    block = slice(MARKER, MARKER + MARKER_SIDE)
    bands[:, block, block] = 255
    bands[:, :, -40:] = 0
    return bands


def write_item(folder, name: str, datetime: str, bands: np.ndarray, west: float = WEST) -> None:
    path = folder / f"{name}.tif"
    place = Affine(PIXEL_M, 0, west, 0, -PIXEL_M, NORTH)
    profile = {
        "driver": "GTiff", "width": bands.shape[2], "height": bands.shape[1], "count": len(bands), "dtype": bands.dtype,
        "crs": SOURCE_CRS, "transform": place, "nodata": 0, "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate",
    }
    with rasterio.open(path, "w", **profile) as target:
        target.write(bands)
        target.build_overviews([2, 4], Resampling.average)
    bounds = (west, NORTH - bands.shape[1] * PIXEL_M, west + bands.shape[2] * PIXEL_M, NORTH)
    left, south, right, north = transform_bounds(SOURCE_CRS, "OGC:CRS84", *bounds)
    ring = [[left, south], [right, south], [right, north], [left, north], [left, south]]
    asset = {
        "href": f"./{name}.tif", "type": "image/tiff; application=geotiff", "roles": ["data"], "proj:code": SOURCE_CRS,
        "proj:shape": list(bands.shape[1:]), "proj:transform": list(place)[:6],
        "bands": [{"name": f"b{number + 1}"} for number in range(len(bands))],
    }
    item = {
        "type": "Feature", "stac_version": "1.1.0", "id": name, "properties": {"datetime": datetime}, "links": [],
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [left, south, right, north], "assets": {"image": asset},
    }
    (folder / f"{name}.json").write_text(json.dumps(item))


def write_collection(folder, name: str, visibility: str):
    path = folder.parent / f"{name}.json"
    collection = {
        "type": "Collection", "stac_version": "1.1.0", "id": name, "description": "generated", "license": "other", "links": [],
        "extent": {"spatial": {"bbox": [[8, 55, 10, 57]]}, "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]}},
        "swath:visibility": visibility,
        "renders": {"bright": {"title": "Bright", "assets": ["b1"], "rescale": [[0, 255]], "colormap_name": "viridis"}},
    }
    path.write_text(json.dumps(collection))
    return path


@pytest.fixture(scope="module")
def served(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    swath = Swath(binary, folder / "home")
    swath.home.mkdir(exist_ok=True)
    (swath.home / "swath.toml").write_text(f'[stores.scenes]\nprefix = "{folder}/"\n')
    for name, visibility in [("marker", "public"), ("hidden", "private")]:
        scenes = folder / name
        scenes.mkdir()
        write_item(scenes, "old", "2020-05-01T10:00:00Z", np.full_like(pixels(), 77))
        write_item(scenes, "new", "2020-06-01T10:00:00Z", pixels())
        swath("items", "import", scenes, "--collection", name, "--collection-file", write_collection(scenes, name, visibility))
    token = swath("token", "create", "--name", "tests", "--role", "operator").stdout.strip()
    log = folder / "server.log"
    with log.open("wb") as out:
        process = swath.start("serve", "--port", "0", stdout=subprocess.DEVNULL, stderr=out)
    served = serving.Served(swath, folder, process, serving.listening(log, process), token)
    yield served
    serving.stop(served)


def tile(served, grid: Grid, col: int, row: int, name: str = "{row}.png", query: str = SCALE, layer: str = "marker:new"):
    path = f"/tiles/{layer}/{grid.tms}/{grid.zoom}/{col}/{name.format(row=row)}?{urllib.parse.quote(query, safe='=&,;:/#().*-+').replace('#', '%23').replace('+', '%2B')}"
    return served.get(path)


def image(answer) -> np.ndarray:
    assert answer.status == 200, answer.body
    with MemoryFile(answer.body) as file, file.open() as source:
        if source.count == 1:
            colors = source.colormap(1)
            return np.array([colors[value] for value in source.read(1).ravel()], "uint8").T.reshape(4, source.height, source.width)
        bands = source.read()
    opaque = np.full((1, *bands.shape[1:]), 255, "uint8")
    return bands if len(bands) == 4 else np.concatenate([bands, opaque])


def warped(served, grid: Grid, col: int, row: int, method=Resampling.bilinear) -> np.ndarray:
    """GDAL's picture of the same grid, with its opacity as the fourth band."""
    target = np.zeros((4, 256, 256), "uint8")
    with rasterio.open(served.folder / "marker/new.tif") as source:
        data = source.read()
        valid = np.where(data[:1].any(axis=0), 255, 0).astype("uint8")
        common = {
            "src_transform": source.transform, "src_crs": source.crs, "dst_transform": grid.transform(col, row), "dst_crs": grid.crs,
            "tolerance": 0,
        }
        for band in range(3):
            reproject(data[band], target[band], resampling=method, src_nodata=0, dst_nodata=0, **common)
        reproject(valid, target[3], resampling=Resampling.nearest, **common)
    return target


def marker_tile(grid: Grid) -> tuple[int, int, float, float]:
    """The tile with the centre of the white block, and where in it the centre lies."""
    centre = (MARKER + MARKER_SIDE / 2) * PIXEL_M
    xs, ys = transform(SOURCE_CRS, grid.crs, [WEST + centre], [NORTH - centre])
    col, row = grid.tile_at(xs[0], ys[0])
    x, y = ~grid.transform(col, row) * (xs[0], ys[0])
    return col, row, x, y


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.tms)
def test_a_tile_is_what_gdal_warps(served, grid):
    col, row, *_ = marker_tile(grid)
    ours = image(tile(served, grid, col, row)).astype(int)
    theirs = warped(served, grid, col, row).astype(int)
    seen = (ours[3] == 255) & (theirs[3] == 255)
    assert (ours[3] == theirs[3]).mean() > 0.99
    assert seen.mean() > 0.2
    near = (np.abs(ours[:3] - theirs[:3]) <= 2).all(axis=0)
    assert near[seen].mean() >= 0.99


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.tms)
def test_the_marker_lies_where_it_lies(served, grid):
    col, row, x, y = marker_tile(grid)
    ours = image(tile(served, grid, col, row, query=f"{SCALE}&resampling=nearest"))
    rows, cols = np.nonzero((ours[:3] == 255).all(axis=0) & (ours[3] == 255))
    is_cut = rows.min() == 0 or cols.min() == 0 or rows.max() == 255 or cols.max() == 255
    if is_cut:
        assert (ours[:, int(y), int(x)] == 255).all()
        return
    assert abs(cols.mean() + 0.5 - x) < 0.6
    assert abs(rows.mean() + 0.5 - y) < 0.6


def test_twice_the_pixels_of_the_same_place(served):
    grid = GRIDS[0]
    col, row, *_ = marker_tile(grid)
    one = image(tile(served, grid, col, row, query=f"{SCALE}&resampling=nearest"))
    two = image(tile(served, grid, col, row, "{row}@2x.png", f"{SCALE}&resampling=nearest"))
    assert two.shape == (4, 512, 512)
    assert np.abs(two[:3, ::2, ::2].astype(int) - one[:3]).max(axis=0).mean() < 4


def test_every_format_shows_the_same(served):
    grid = GRIDS[0]
    col, row, *_ = marker_tile(grid)
    png = image(tile(served, grid, col, row))
    webp = tile(served, grid, col, row, "{row}.webp")
    assert webp.headers["content-type"] == "image/webp"
    assert np.array_equal(image(webp)[:3][:, png[3] == 255], png[:3][:, png[3] == 255])
    jpeg = tile(served, grid, col, row, "{row}.jpg")
    assert jpeg.headers["content-type"] == "image/jpeg"
    assert np.abs(image(jpeg)[:3].astype(int) - png[:3])[:, png[3] == 255].mean() < 6
    array = np.load(io.BytesIO(tile(served, grid, col, row, "{row}.npy").body))
    assert array.shape == (4, 256, 256)
    assert np.array_equal(array[3] == 255, png[3] == 255)
    assert np.abs(array[:3][:, png[3] == 255] - png[:3][:, png[3] == 255]).max() <= 0.51
    answer = tile(served, grid, col, row, "{row}.tif")
    with MemoryFile(answer.body) as file, file.open() as source:
        assert source.crs.to_epsg() == 3857
        assert source.transform.almost_equals(grid.transform(col, row), 1e-6)
        values = source.read()
    assert np.allclose(values[:, png[3] == 255], array[:3][:, png[3] == 255])


def test_styles_expressions_and_colours(served):
    grid = GRIDS[0]
    col, row, x, y = marker_tile(grid)
    # The style that the collection declares is its first: viridis of the first band.
    first = image(tile(served, grid, col, row, query=""))
    assert tuple(first[:3, int(y), int(x)]) == (0xFD, 0xE7, 0x25)
    half = image(tile(served, grid, col, row, query="expression=(b1-b2)/(b1+b2)&rescale=-1,1&resampling=nearest"))
    assert abs(int(half[0, int(y), int(x)]) - 128) <= 1
    red = image(tile(served, grid, col, row, query="expression=b1&colormap=0:#000000,255:#ff0000&resampling=nearest"))
    assert tuple(red[:, int(y), int(x)]) == (255, 0, 0, 255)
    gone = image(tile(served, grid, col, row, query="expression=b1&rescale=0,255&nodata=255"))
    assert gone[3, int(y), int(x)] == 0
    filled = image(tile(served, grid, col, row, query="expression=b1&rescale=0,255&nodata=255&background=0x102030"))
    assert tuple(filled[:, int(y), int(x)]) == (0x10, 0x20, 0x30, 255)


def test_the_newest_item_is_on_top_and_time_chooses(served):
    grid = GRIDS[3]
    col, row, x, y = marker_tile(grid)
    query = f"{SCALE}&resampling=nearest"
    newest = image(tile(served, grid, col, row, query=query, layer="marker"))
    assert newest[0, int(y), int(x)] == 255
    old = image(tile(served, grid, col, row, query=f"{query}&time=2020-05-01", layer="marker"))
    assert old[0, int(y), int(x)] == 77
    none = image(tile(served, grid, col, row, query=f"{query}&time=2019-05-01", layer="marker"))
    assert (none[3] == 0).all()
    # Where the newest has nothing, the one below is seen.
    edge = (SIZE - 20) * PIXEL_M
    col, row = grid.tile_at(WEST + edge, NORTH - 5_000.0)
    x, y = ~grid.transform(col, row) * (WEST + edge, NORTH - 5_000.0)
    mosaic = image(tile(served, grid, col, row, query=query, layer="marker"))
    assert mosaic[0, int(y), int(x)] == 77


def test_caches_are_told_what_changed(served):
    grid = GRIDS[0]
    col, row, *_ = marker_tile(grid)
    answer = tile(served, grid, col, row)
    etag = answer.headers["etag"]
    assert "max-age" in answer.headers["cache-control"]
    path = f"/tiles/marker:new/{grid.tms}/{grid.zoom}/{col}/{row}.png?{SCALE}"
    assert served.get(path, {"If-None-Match": etag}).status == 304
    assert served.get(path.replace("0,255", "0,200"), {"If-None-Match": etag}).status == 200
    assert served.get(path, {"Origin": "https://other.example"}).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("marker/WebMercatorQuad/99/0/0.png", 400, "0 to 24"),
        ("marker/WebMercatorQuad/-1/0/0.png", 400, "zoom"),
        ("marker/WebMercatorQuad/3/8/0.png", 404, "columns 0 to 7"),
        ("marker/WebMercatorQuad/3/0/99999999999.png", 400, "expected"),
        ("marker/values?lon=9", 400, "missing"),
        ("marker/values?lon=900&lat=50", 400, "degrees"),
        ("marker/values?lon=-60&lat=-50", 404, "nothing there"),
        ("marker/values?lon=9.05&lat=55.9&bands=b7", 400, "no band"),
        ("marker/WebMercatorQuad/3/0/0.gif", 400, "no format"),
        ("marker/Mercator/3/0/0.png", 404, "WebMercatorQuad"),
        ("nothing/WebMercatorQuad/3/0/0.png", 404, "no layer"),
        ("marker:nothing/WebMercatorQuad/3/0/0.png", 404, "no layer"),
        ("marker/WebMercatorQuad/3/0/0.png?style=absurd", 400, "bright"),
        ("marker/WebMercatorQuad/3/0/0.png?expression=b9", 400, "no band"),
        ("marker/WebMercatorQuad/3/0/0.png?expression=b1%2B", 400, "position"),
        ("marker/WebMercatorQuad/3/0/0.png?expression=b1;b2", 400, "three"),
        ("marker/WebMercatorQuad/3/0/0.png?expression=" + "(" * 500, 400, "nested"),
        ("marker/WebMercatorQuad/3/0/0.png?expression=" + "b1" * 3000, 400, "4096"),
        ("marker/WebMercatorQuad/3/0/0.png?rescale=1", 400, "LOW,HIGH"),
        ("marker/WebMercatorQuad/3/0/0.png?colormap=jet", 400, "viridis"),
        ("marker/WebMercatorQuad/3/0/0.png?gamma=1000", 400, "gamma"),
        ("marker/WebMercatorQuad/3/0/0.png?resampling=best", 400, "bilinear"),
        ("marker/WebMercatorQuad/3/0/0.png?time=yesterday", 400, "datetime"),
    ],
)
def test_bad_requests_say_what_is_wrong(served, path, status, words):
    answer = served.get(f"/tiles/{path}")
    assert answer.status == status, answer.body
    assert words in answer.json()["description"]


def test_far_away_there_is_nothing_to_see(served):
    answer = served.get("/tiles/marker/WebMercatorQuad/8/0/0.png")
    assert (image(answer)[3] == 0).all()
    assert len(answer.body) < 500


def test_private_layers_are_not_there_for_others(served):
    grid = GRIDS[0]
    col, row, *_ = marker_tile(grid)
    path = f"/tiles/hidden:new/{grid.tms}/{grid.zoom}/{col}/{row}.png"
    absent = path.replace("hidden", "absent")
    assert served.get(path).status == served.get(absent).status == 404
    assert served.get(path).body.replace(b"hidden", b"absent") == served.get(absent).body
    assert served.get(f"/tiles/hidden/{grid.tms}/tilejson.json").status == 404
    heads = {"Authorization": f"Bearer {served.token}"}
    answer = served.get(path, heads)
    assert answer.status == 200
    assert answer.headers["cache-control"].startswith("private")
    names = [layer["name"] for layer in served.get("/tiles").json()["layers"]]
    assert names == ["marker"]
    names = [layer["name"] for layer in served.get("/tiles", heads).json()["layers"]]
    assert names == ["hidden", "marker"]


def bearer(served, name: str) -> dict[str, str]:
    token = served.swath("token", "create", "--name", name, "--subject", name, "--role", "member").stdout.strip()
    return {"Authorization": f"Bearer {token}"}


def test_viewers_in_turn_see_what_is_theirs(served):
    grid = GRIDS[0]
    col, row, *_ = marker_tile(grid)
    scenes = served.folder / "turns"
    scenes.mkdir()
    write_item(scenes, "one", "2020-05-01T10:00:00Z", pixels())
    collection = write_collection(scenes, "turns", "private")
    collection.write_text(json.dumps(json.loads(collection.read_text()) | {"swath:owner": "ada"}))
    served.swath("items", "import", scenes, "--collection", "turns", "--collection-file", collection)
    path = f"/tiles/turns/{grid.tms}/{grid.zoom}/{col}/{row}.png?{SCALE}"
    ada, bob = bearer(served, "ada"), bearer(served, "bob")
    operator = {"Authorization": f"Bearer {served.token}"}
    for heads, status in [(bob, 404), (ada, 200), (bob, 404), ({}, 404), (ada, 200), (operator, 200), ({}, 404), (bob, 404)]:
        assert served.get(path, heads).status == status
    etag = served.get(path, ada).headers["etag"]
    assert served.get(path, ada | {"If-None-Match": etag}).status == 304
    assert served.get(path, bob | {"If-None-Match": etag}).status == 404


def test_changes_by_another_program_show_in_the_next_request(served):
    grid = GRIDS[0]
    col, row, x, y = marker_tile(grid)
    scenes = served.folder / "moving"
    scenes.mkdir()
    collection = write_collection(scenes, "moving", "public")
    operator = {"Authorization": f"Bearer {served.token}"}

    def put(name: str, day: str, value: int) -> None:
        write_item(scenes, name, f"{day}T10:00:00Z", np.full_like(pixels(), value))
        served.swath("items", "import", scenes, "--collection", "moving", "--collection-file", collection)

    def seen() -> tuple[int, str]:
        answers = [tile(served, grid, col, row, layer="moving") for _ in range(2)]
        assert answers[0].body == answers[1].body
        return int(image(answers[0])[0, int(y), int(x)]), answers[0].headers["etag"]

    put("low", "2020-05-01", 50)
    states = [seen()]
    put("high", "2020-05-02", 90)
    states.append(seen())
    # The same item again, now older than the other.
    put("high", "2020-04-01", 90)
    states.append(seen())
    path = "/stac/collections/moving/items/low"
    assert served.get(path, operator, method="DELETE").status < 300
    states.append(seen())
    assert [value for value, _ in states] == [50, 90, 50, 90]
    assert len({etag for _, etag in states}) == 4
    for visibility, status in [("private", 404), ("public", 200), ("private", 404)]:
        served.swath("collections", "add", write_collection(scenes, "moving", visibility))
        assert tile(served, grid, col, row, layer="moving").status == status
        listed = [layer["name"] for layer in served.get("/tiles").json()["layers"]]
        assert ("moving" in listed) == (status == 200)


def test_values_at_a_place_are_those_of_the_pixel(served):
    centre = (MARKER + 0.5) * PIXEL_M
    xs, ys = transform(SOURCE_CRS, "OGC:CRS84", [WEST + centre], [NORTH - centre])
    place = f"lon={xs[0]:.9f}&lat={ys[0]:.9f}"
    found = served.get(f"/tiles/marker/values?{place}").json()
    assert found["item"] == "new"
    assert found["values"] == {"b1": 255.0, "b2": 255.0, "b3": 255.0}
    found = served.get(f"/tiles/marker/values?{place}&time=2020-05-01&bands=b2&values=stored").json()
    assert (found["item"], found["values"]) == ("old", {"b2": 77.0})


def test_layers_and_tilejson_say_what_there_is(served):
    layer = served.get("/tiles").json()["layers"][0]
    assert [style["name"] for style in layer["styles"]] == ["bright", "b1", "b2", "b3"]
    assert layer["days"] == ["2020-06-01", "2020-05-01"]
    assert "UTM32WGS84Quad" in [each["id"] for each in layer["tile_matrix_sets"]]
    document = served.get("/tiles/marker/WebMercatorQuad/tilejson.json?style=b2").json()
    assert document["tilejson"] == "3.0.0"
    assert document["minzoom"] < 13 <= document["maxzoom"]
    assert document["tiles"][0].endswith("/tiles/marker/WebMercatorQuad/{z}/{x}/{y}.png?style=b2")
    west, south, east, north = document["bounds"]
    assert west <= 9 < east
    assert south < 55.9 < north
