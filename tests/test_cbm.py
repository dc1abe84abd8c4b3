"""The JRC's own client `cbm` against a served season: parcels, series, chips."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
import requests

from season import SET

AOI, YEAR = "land", "2021"
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def server(season_server):
    return season_server


@pytest.fixture(scope="module")
def parcel(season) -> str:
    return season.parcel_ids()[0]


@pytest.fixture
def client(server, tmp_path, monkeypatch):
    """The package, told about the server as its own configuration does it."""
    monkeypatch.chdir(tmp_path)
    config = pytest.importorskip("cbm.utils.config")
    monkeypatch.setattr(config, "path_work", str(tmp_path))
    config.create()
    for key, value in {"url": server, "user": "anybody", "pass": ""}.items():
        config.set_value(["api", key], value)
    config.set_value(["set", "data_source"], "api")
    from cbm import get

    return get


def query(server: str, path: str, **parameters) -> requests.Response:
    return requests.get(f"{server}/query/{path}", params=parameters, timeout=TIMEOUT_S)


def test_parcels_by_id_place_and_polygon(client, server, parcel):
    one = client.parcel_info.by_pid(AOI, YEAR, parcel, None, True, True)
    assert one["pid"] == [parcel] and one["cropname"][0] and one["cropcode"][0]
    assert json.loads(one["geom"][0])["type"] in ("Polygon", "MultiPolygon")
    west, south = one["clon"][0], one["clat"][0]
    here = client.parcel_info.by_location(AOI, YEAR, west, south, None, True, False)
    assert parcel in here["pid"] and here["area"][0] > 0 and here["srid"][0] > 0
    corners = [(west - 0.001, south - 0.001), (west + 0.001, south - 0.001), (west, south + 0.001)]
    polygon = "-".join(f"{x}_{y}" for x, y in corners)
    around = json.loads(client.parcel_info.by_polygon(AOI, YEAR, polygon))
    assert list(around) == ["pid"] and parcel in around["pid"]
    described = json.loads(client.parcel_info.by_polygon(AOI, YEAR, polygon, None, True, True, False))
    assert set(described) == {"pid", "cropname", "cropcode", "srid", "geom", "area", "clon", "clat"}
    assert client.parcel_info.by_pid(AOI, YEAR, "nobody") is None


def test_peers_have_the_same_crop_and_come_nearest_first(client, server, parcel):
    peers = client.parcels_list.peers(AOI, YEAR, parcel, 20_000, 5)
    assert peers["distance"] == sorted(peers["distance"]) and len(peers["pid"]) <= 5
    assert parcel not in peers["pid"]
    own = query(server, "parcelByID", aoi=AOI, year=YEAR, pid=parcel).json()["cropcode"]
    for peer in peers["pid"]:
        assert query(server, "parcelByID", aoi=AOI, year=YEAR, pid=peer).json()["cropcode"] == own


@pytest.mark.parametrize(("kind", "bands"), [("s2", {"B04", "B08"}), ("bs", {"VVb", "VHb"}), ("c6", {"VVc", "VHc"})])
def test_series_have_the_columns_and_bands_of_the_interface(client, parcel, kind, bands):
    series = client.time_series.by_pid(AOI, YEAR, parcel, kind)
    assert list(series)[:10] == ["date_part", "band", "count", "mean", "std", "min", "p25", "p50", "p75", "max"]
    assert bands <= set(series["band"])
    assert len({len(values) for values in series.values()}) == 1
    assert series["date_part"] == sorted(series["date_part"]) and series["date_part"][0] > 1e9
    if kind == "s2":
        # Stored reflectance, as the notebooks expect it.
        assert 50 < np.median(series["mean"]) < 10_000
    one = client.time_series.by_pid(AOI, YEAR, parcel, kind, band=sorted(bands)[0])
    assert set(one["band"]) == {sorted(bands)[0]}


def test_there_is_no_weather_and_no_marker(client, server, parcel):
    weather = client.time_series.weather(AOI, YEAR, parcel)
    assert weather == {name: [] for name in ("meteo_date", "tmin", "tmax", "tmean", "prec")}
    markers = query(server, "markers", aoi=AOI, year=YEAR, pid=parcel).json()
    assert markers and not any(markers.values())


def test_chips_are_geotiffs_that_the_client_fetches(client, parcel, tmp_path):
    # The package asks for the parcel with its arguments in another order, unless it has asked before.
    client.parcel_info.by_pid(AOI, YEAR, parcel)
    client.chip_images.by_pid(AOI, YEAR, parcel, "2021-05-01", "2021-06-15", "B08", 640)
    folder = tmp_path / "temp" / AOI / YEAR / parcel / "chip_images"
    listed = (folder / "images_list.B08.csv").read_text().splitlines()
    chips = sorted(folder.glob("*.B08.tif"))
    assert len(chips) == len(listed) - 1 > 0
    info = json.loads(next(Path(tmp_path).glob(f"temp/{AOI}/{YEAR}/{parcel}/info.json")).read_text())
    with rasterio.open(chips[0]) as chip:
        assert chip.count == 1 and chip.crs.is_projected and chip.dtypes[0] == "uint16"
        assert 1 <= chip.width <= 64 and chip.res[0] == 10
        x, y = rasterio.warp.transform("EPSG:4326", chip.crs, info["clon"], info["clat"])
        assert chip.bounds.left <= x[0] <= chip.bounds.right and chip.bounds.bottom <= y[0] <= chip.bounds.top


def test_a_chip_holds_the_pixels_of_the_image(season, server, parcel):
    place = query(server, "parcelByID", aoi=AOI, year=YEAR, pid=parcel).json()
    lon, lat = place["clon"][0], place["clat"][0]
    listed = query(
        server, "rawChipByLocation", lon=lon, lat=lat, start_date="2021-05-01", end_date="2021-05-20", band="B04", chipsize=300
    ).json()
    path = listed["chips"][0]
    content = requests.get(f"{server}{path}", timeout=TIMEOUT_S).content
    item = path.rsplit("/", 1)[1].removesuffix(".B04.tif")
    whole = next((season.landscape / "scenes" / "sentinel-2-l2a" / item).glob("*B04*.tif"), None)
    assert whole is not None, item
    with rasterio.open(io.BytesIO(content)) as chip, rasterio.open(whole) as image:
        window = image.window(*chip.bounds)
        assert np.array_equal(chip.read(1), image.read(1, window=window.round_offsets().round_lengths()))


def test_pages_backgrounds_and_batches(server, parcel):
    asked = {"aoi": AOI, "year": YEAR, "pid": parcel, "start_date": "2021-05-01", "end_date": "2021-05-20"}
    page = query(server, "chipsByParcelID", **asked)
    pictures = re.findall(r'src="([^"]+)"', page.text)
    assert pictures and page.headers["content-type"].startswith("text/html")
    picture = requests.get(pictures[0], timeout=TIMEOUT_S)
    assert picture.content.startswith(b"\x89PNG") and picture.headers["content-type"] == "image/png"
    address = query(server, "backgroundByParcelID", aoi=AOI, year=YEAR, pid=parcel, chipsize=256, extend=512, tms="Google", iformat="tif").text
    assert address.endswith("/google.tif")
    with rasterio.open(io.BytesIO(requests.get(address, timeout=TIMEOUT_S).content)) as background:
        assert (background.count, background.width, background.height) == (3, 256, 256)
    place = query(server, "parcelByID", aoi=AOI, year=YEAR, pid=parcel).json()
    lon, lat = place["clon"][0], place["clat"][0]
    items = query(server, "rawChipByParcelID", **asked, onlylist="True").json()["chips"]
    body = {"lon": lon, "lat": lat, "tiles": items[:2], "bands": ["B04", "B08"], "chipsize": 300}
    batch = requests.post(f"{server}/query/rawChipsBatch", json=body, timeout=TIMEOUT_S)
    assert len(batch.json()["chips"]) == 2 * len(items[:2]), batch.text
    series = query(server, "parcelTimeSeries", aoi=AOI, year=YEAR, pid=parcel, tstype="bs").json()
    day = np.datetime64(int(series["date_part"][0]), "s").astype("datetime64[D]")
    body = {"lon": lon, "lat": lat, "dates": [str(day)], "chipsize": 300}
    radar = requests.post(f"{server}/query/rawS1ChipsBatch", json=body, timeout=TIMEOUT_S)
    assert len(radar.json()["chips"]) >= 2, radar.text


def test_private_sets_need_the_token_as_password(season, server):
    swath = season.swath
    swath("parcels", "import", season.landscape / "parcels.parquet", "--name", "own_2021", "--id", "parcel_id", "--owner", "ada")
    swath("token", "create", "--name", "ada", "--subject", "ada")
    token = swath("token", "create", "--name", "ada2", "--subject", "ada").stdout.strip().splitlines()[-1]
    asked = {"aoi": "own", "year": YEAR, "lon": 5, "lat": 50}
    assert query(server, "parcelByLocation", **asked).status_code == 404
    secret = base64.b64encode(f"whoever:{token}".encode()).decode()
    answer = requests.get(
        f"{server}/query/parcelByLocation", params=asked, headers={"Authorization": f"Basic {secret}"}, timeout=TIMEOUT_S
    )
    assert answer.status_code == 200 and answer.json()["pid"] == []


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("parcelByID", {"aoi": "x' OR 1=1 --", "year": YEAR, "pid": "1"}),
        ("parcelByID", {"aoi": "nowhere", "year": YEAR, "pid": "1"}),
        ("parcelByLocation", {"aoi": AOI, "year": YEAR, "lon": "a", "lat": 50}),
        ("parcelsByPolygon", {"aoi": AOI, "year": YEAR, "polygon": "1_2-3"}),
        ("parcelPeers", {"aoi": AOI, "year": YEAR, "pid": "1", "distance": 1e9}),
        ("parcelTimeSeries", {"aoi": AOI, "year": YEAR, "pid": "1; DROP TABLE x", "tstype": "s2"}),
        ("parcelTimeSeries", {"aoi": AOI, "year": YEAR, "pid": "1", "tstype": "s9"}),
        ("rawChipByLocation", {"lon": 5, "lat": 50, "start_date": "2021-01-01", "end_date": "2021-02-01", "chipsize": 1e6}),
        ("chipsByLocation", {"lon": 5, "lat": 50, "start_date": "x", "end_date": "y"}),
    ],
)
def test_what_makes_no_sense_is_refused(server, path, asked):
    answer = query(server, path, **asked)
    assert answer.status_code in (400, 404) and answer.json()["description"]
