"""Vector tiles of parcel sets, decoded by an independent program and judged by GEOS."""

from __future__ import annotations

import json
import math
import random

import geopandas
import mapbox_vector_tile
import pytest
import requests
import shapely
from shapely.geometry import Polygon, shape

from season import SET, duckdb_rows, served

EXTENT, BUFFER, BYTES_MAX = 4096, 64, 500_000
OPTICAL = "sentinel-2-l2a"
SIDE, WEST, SOUTH, STEP = 60, 4.0, 51.0, (0.003, 0.002)


def get(address: str, path: str, **options) -> requests.Response:
    return requests.get(address + path, timeout=60, **options)


def tile_of(longitude: float, latitude: float, zoom: int) -> tuple[int, int]:
    tiles = 2**zoom
    y = math.asinh(math.tan(math.radians(latitude)))
    return int((longitude + 180) / 360 * tiles), int((1 - y / math.pi) / 2 * tiles)


def decoded(response: requests.Response) -> dict:
    """Layers by name, y downwards as it is stored; {} for a tile without content."""
    if response.status_code == 204:
        return {}
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    assert len(response.content) <= BYTES_MAX
    return mapbox_vector_tile.decode(response.content, default_options={"y_coord_down": True})


def shift(bounds: tuple) -> list[float]:
    """Coordinates from the middle of a tile."""
    return [step - EXTENT / 2 for step in bounds]


def mosaic() -> dict:
    """Parcels that cover a rectangle once, each ring from another start, with bent edges."""
    chance = random.Random(5)
    inner = lambda at: 0 < at < SIDE
    corner = {
        (col, row): (
            WEST + (col + (chance.uniform(-0.3, 0.3) if inner(col) else 0)) * STEP[0],
            SOUTH + (row + (chance.uniform(-0.3, 0.3) if inner(row) else 0)) * STEP[1],
        )
        for col in range(SIDE + 1)
        for row in range(SIDE + 1)
    }
    edges: dict[tuple, list] = {}

    def edge(a: tuple[int, int], b: tuple[int, int]) -> list:
        if (b, a) in edges:
            return edges[b, a][::-1]
        if (a, b) not in edges:
            (ax, ay), (bx, by) = corner[a], corner[b]
            is_outside = any(a[axis] == b[axis] and not inner(a[axis]) for axis in (0, 1))
            bend = 0 if is_outside else 0.05
            edges[a, b] = [(ax, ay)] + [
                (
                    ax + (bx - ax) * share + chance.uniform(-bend, bend) * STEP[0],
                    ay + (by - ay) * share + chance.uniform(-bend, bend) * STEP[1],
                )
                for share in (0.2, 0.4, 0.6, 0.8)
            ] + [(bx, by)]
        return edges[a, b]

    features = []
    for col in range(SIDE):
        for row in range(SIDE):
            around = [(col, row), (col + 1, row), (col + 1, row + 1), (col, row + 1)]
            ring = [at for a, b in zip(around, around[1:] + around[:1]) for at in edge(a, b)[:-1]]
            turn = chance.randrange(len(ring))
            ring = ring[turn:] + ring[:turn]
            features.append(
                {
                    "type": "Feature",
                    "properties": {"parcel_id": f"{col:03}{row:03}", "crop": str(col % 7), "holder_name": "Jo Farmer"},
                    "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
                }
            )
    return {"type": "FeatureCollection", "features": features}


@pytest.fixture(scope="module")
def mosaic_server(binary, tmp_path_factory):
    from conftest import Swath

    home = tmp_path_factory.mktemp("mosaic")
    swath = Swath(binary, home)
    (home / "mosaic.geojson").write_text(json.dumps(mosaic()))
    for name, visibility in [("mosaic", "public"), ("hidden", "private")]:
        swath(
            "parcels", "import", home / "mosaic.geojson", "--name", name, "--id", "parcel_id",
            "--crop", "crop", "--visibility", visibility, timeout_s=300,
        )  # fmt: skip
    with served(swath) as address:
        yield address


def test_neighbours_share_their_edges_at_every_zoom(mosaic_server):
    description = get(mosaic_server, "/parcels/mosaic/tiles/tilejson.json").json()
    detail = next(layer for layer in description["vector_layers"] if layer["id"] == "parcels")["minzoom"]
    longitude, latitude = WEST + SIDE * STEP[0] / 2 + 0.001, SOUTH + SIDE * STEP[1] / 2 + 0.001
    for zoom in range(17):
        col, row = tile_of(longitude, latitude, zoom)
        layers = decoded(get(mosaic_server, f"/parcels/mosaic/tiles/{zoom}/{col}/{row}.mvt"))
        assert list(layers) == (["parcels"] if zoom >= detail else ["cells"])
        if zoom < max(detail, 9):
            continue
        polygons = [shape(feature["geometry"]) for feature in layers["parcels"]["features"]]
        # What is cut at the buffer may touch itself there, outside of what is drawn.
        inner = [polygon for polygon in polygons if max(map(abs, shift(polygon.bounds))) < EXTENT / 2 + BUFFER]
        assert (inner or zoom > 14) and all(polygon.is_valid for polygon in inner)
        assert shapely.coverage_is_valid(inner), f"zoom {zoom}"
        if zoom >= 13:
            assert sum(polygon.area for polygon in polygons) == (EXTENT + 2 * BUFFER) ** 2


def test_what_features_carry(mosaic_server):
    col, row = tile_of(WEST + 0.05, SOUTH + 0.05, 14)
    path = f"/parcels/mosaic/tiles/14/{col}/{row}"
    layer = decoded(get(mosaic_server, f"{path}.mvt"))["parcels"]
    assert (layer["extent"], layer["version"]) == (EXTENT, 2)
    ids = {feature["id"]: feature["properties"] for feature in layer["features"]}
    assert len(ids) == len(layer["features"]) and 0 <= min(ids) and max(ids) < SIDE * SIDE
    for properties in ids.values():
        assert set(properties) == {"id", "crop_code", "area_ha"}
        assert properties["crop_code"] == str(int(properties["id"][:3]) % 7)
    assert b"Farmer" not in get(mosaic_server, f"{path}.pbf").content
    few = decoded(get(mosaic_server, f"{path}.pbf?properties=id"))["parcels"]["features"]
    assert {feature["id"]: feature["properties"]["id"] for feature in few} == {row: own["id"] for row, own in ids.items()}
    assert get(mosaic_server, f"{path}.mvt?properties=holder_name").status_code == 400


def test_the_protocol(mosaic_server):
    assert get(mosaic_server, "/parcels/mosaic/tiles/5/0/0.mvt").status_code == 204
    for path in ["17/0/0.mvt", "3/8/0.mvt", "3/0/0.png", "x/0/0.mvt", "-1/0/0.mvt"]:
        assert get(mosaic_server, f"/parcels/mosaic/tiles/{path}").status_code == 404, path
    col, row = tile_of(WEST + 0.05, SOUTH + 0.05, 12)
    path = f"/parcels/mosaic/tiles/12/{col}/{row}.mvt"
    first = get(mosaic_server, path, headers={"Accept-Encoding": "gzip"})
    assert first.headers["content-encoding"] == "gzip" and "max-age" in first.headers["cache-control"]
    again = get(mosaic_server, path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = get(mosaic_server, f"{path}?properties=", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200
    # What is private is not there, as is what was never imported.
    for name in ["hidden", "never"]:
        assert get(mosaic_server, f"/parcels/{name}/tiles/12/{col}/{row}.mvt").status_code == 404
        assert get(mosaic_server, f"/parcels/{name}/tiles/tilejson.json").status_code == 404
    description = get(mosaic_server, "/parcels/mosaic/tiles/tilejson.json").json()
    assert description["tilejson"] == "3.0.0" and "/parcels/mosaic%401/tiles/{z}/{x}/{y}.mvt" in description["tiles"][0]
    west, south, east, north = description["bounds"]
    assert west <= WEST + 1e-6 and north >= SOUTH + SIDE * STEP[1] - 1e-6 and east > west and north > south


def test_outlines_are_where_they_are(season, season_server):
    file = season.swath.home / "parcels" / SET / "1.parquet"
    true = geopandas.read_parquet(file).to_crs(3857)
    zoom = 14
    side = 2 * 20_037_508.342789244 / 2**zoom
    seen = set()
    for col, row in {tile_of(at.x, at.y, zoom) for at in true.geometry.centroid.to_crs(4326)}:
        layers = decoded(get(season_server, f"/parcels/{SET}/tiles/{zoom}/{col}/{row}.mvt"))
        west, north = col * side - 20_037_508.342789244, 20_037_508.342789244 - row * side
        step = side / EXTENT
        frame = shapely.box(west, north - side, west + side, north)
        for feature in layers["parcels"]["features"]:
            drawn = shapely.transform(shape(feature["geometry"]), lambda at: at * [step, -step] + [west, north])
            own = true.geometry[feature["id"]]
            assert true["id"][feature["id"]] == feature["properties"]["id"]
            if frame.contains(own):
                assert drawn.hausdorff_distance(own) < 6 * step
            seen.add(feature["id"])
    assert seen == set(range(len(true)))


def test_values_are_those_of_the_table(season, season_server):
    day, statistic = "2021-06-20", "p50"
    rows = duckdb_rows(
        f"SELECT parcel, arg_max({statistic}, datetime) FROM read_parquet(?) WHERE band = 'B08' AND {statistic} IS NOT NULL "
        "AND datetime < TIMESTAMPTZ '2021-06-21 00:00:00+00' AND datetime >= TIMESTAMPTZ '2021-05-21 00:00:00+00' GROUP BY parcel",
        [[str(path) for path in season.table(OPTICAL).glob("data/**/*.parquet")]],
    )
    expected = dict(rows)
    assert len(expected) > 10
    query = f"value={OPTICAL}:B08:{statistic}&datetime={day}"
    description = get(season_server, f"/parcels/{SET}/tiles/tilejson.json?{query}").json()
    low, high = description["swath:value"]["range"]
    assert min(expected.values()) <= low <= high <= max(expected.values())
    longitude, latitude, zoom = *description["center"][:2], 9
    col, row = tile_of(longitude, latitude, zoom)
    found = {}
    for x in (col - 1, col, col + 1):
        for y in (row - 1, row, row + 1):
            for feature in decoded(get(season_server, f"/parcels/{SET}/tiles/{zoom}/{x}/{y}.mvt?{query}")).get("parcels", {"features": []})["features"]:
                found[feature["id"]] = feature["properties"].get("value")
    assert {row: value for row, value in found.items() if value is not None} == pytest.approx(expected)
    for bad in [f"value={OPTICAL}:B08", f"value={OPTICAL}:B08:mode", f"value={OPTICAL}:B08:mean&datetime=May", "datetime=2021-06-20"]:
        assert get(season_server, f"/parcels/{SET}/tiles/9/{col}/{row}.mvt?{bad}").status_code == 400, bad
    assert get(season_server, f"/parcels/{SET}/tiles/9/{col}/{row}.mvt?value=none:B08:mean").status_code == 404


def test_low_zooms_hold_every_hectare(mosaic_server):
    """Nothing is left out at a low zoom, be it parcels or cells."""
    col, row = tile_of(WEST + 0.05, SOUTH + 0.05, 6)
    layers = decoded(get(mosaic_server, f"/parcels/mosaic/tiles/6/{col}/{row}.mvt"))
    (layer,) = layers.values()
    true = geopandas.GeoSeries([Polygon([(WEST, SOUTH), (WEST + SIDE * STEP[0], SOUTH), (WEST + SIDE * STEP[0], SOUTH + SIDE * STEP[1]), (WEST, SOUTH + SIDE * STEP[1])])], crs=4326)
    hectares = sum(feature["properties"]["area_ha"] for feature in layer["features"])
    assert hectares == pytest.approx(true.to_crs(6933).area[0] / 10_000, rel=0.01)
