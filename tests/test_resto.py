"""resto as the scripts of the JRC's checks by monitoring speak it, and as the finder describes itself."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path

import pytest

import serving
from conftest import Swath
from serving import CARD_NAME, COH_NAME, GRD_NAME, S2_CLOUDY, S2_NAME, S2_OTHER_TILE

etree = pytest.importorskip("lxml.etree")

ATOM = {"a": "http://www.w3.org/2005/Atom", "gml": "http://www.opengis.net/gml", "os": "http://a9.com/-/spec/opensearch/1.1/"}
FINDER = "/resto/api/collections"


@pytest.fixture(scope="module")
def served(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("resto")
    served = serving.start(Swath(binary, folder / "home"), folder)
    yield served
    serving.stop(served)


def titles(served, query: str, collection: str = "Sentinel2") -> list[str]:
    answer = served.get(f"{FINDER}/{collection}/search.json?{query}")
    assert answer.status == 200, answer.body
    return [feature["properties"]["title"].removesuffix(".SAFE") for feature in answer.json()["features"]]


def test_the_optical_query_of_the_scripts(served):
    """Query, content type and keys as the notes record them."""
    answer = served.get(
        f"{FINDER}/Sentinel2/search.json?maxRecords=2000&startDate=2018-05-01T00:00:00Z"
        "&completionDate=2018-05-31T23:59:59Z&processingLevel=LEVEL2A&sortParam=startDate&sortOrder=descending"
        "&status=all&geometry=POINT(4.1+51.2)&dataset=ESA-DATASET"
    )
    assert "json" in answer.headers["content-type"]
    features = answer.json()["features"]
    scenes = [feature["properties"]["productIdentifier"].split("/")[-1] for feature in features]
    assert scenes == [f"{S2_CLOUDY}.SAFE", f"{S2_NAME}.SAFE"]
    first = features[1]["properties"]
    assert first["productIdentifier"] == f"/eodata/Sentinel-2/MSI/L2A/2018/05/06/{S2_NAME}.SAFE"
    ring = first["gmlgeometry"].split("coordinates>")[1].split("<")[0]
    assert [tuple(map(float, pair.split(","))) for pair in ring.split()][0] == (4.0, 50.5)


@pytest.mark.parametrize(("card", "name"), [("CARD-BS", CARD_NAME), ("CARD-COH6", COH_NAME)])
def test_the_radar_query_of_the_scripts(served, card, name):
    """Atom by the scripts' paths, after they cut `resto:` out of the text."""
    answer = served.get(
        f"{FINDER}/Sentinel1/search.atom?maxRecords=2000&startDate=2018-05-01T00:00:00Z"
        f"&completionDate=2018-05-31T23:59:59Z&productType={card}&sortParam=startDate&sortOrder=descending"
        "&status=all&geometry=POLYGON((3.0+51.27,6.49+50.27,6.49+51.27,3.0+51.27))&dataset=ESA-DATASET"
    )
    assert "xml" in answer.headers["content-type"]
    root = etree.fromstring(answer.body.decode().replace("resto:", "").encode())
    entries = root.findall("a:entry", ATOM)
    assert [entry.findtext("a:title", namespaces=ATOM) for entry in entries] == [name]
    begin = entries[0].findtext("gml:validTime/gml:TimePeriod/gml:beginPosition", namespaces=ATOM)
    assert begin == "2018-05-01T05:58:11.123Z"
    pairs = entries[0].findtext(".//gml:coordinates", namespaces=ATOM).split()
    assert [tuple(map(float, pair.split(","))) for pair in pairs][2] == (6.0, 53.0)


def test_a_product_is_found_and_downloaded(served):
    """The scripts turn the identifier into keys below /eodata and fetch single files."""
    query = f"productIdentifier=%25{S2_NAME}%25"
    properties = served.get(f"{FINDER}/Sentinel2/search.json?{query}").json()["features"][0]["properties"]
    band = "GRANULE/L2A_T31UFS/IMG_DATA/R10m/T31UFS_B04_10m.jp2"
    answer = served.get(f"{properties['productIdentifier']}/{band}")
    assert (answer.status, answer.body) == (200, served.files[band])
    whole = served.get(properties["services"]["download"]["url"])
    assert whole.status == 200 and whole.body[:4] == b"PK\x03\x04"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("startDate=[2018-05-06,2018-05-06T23:59:59Z]", {S2_NAME, S2_OTHER_TILE}),
        ("startDate=]2018-05-06T10:50:29.027Z,2018-06-01[", {S2_CLOUDY}),
        ("startDate=[2018-05-07", {S2_CLOUDY}),
        ("completionDate=2018-05-07]", {S2_NAME, S2_OTHER_TILE}),
        ("cloudCover=[0,10]", {S2_NAME}),
        ("cloudCover=]4.25,20]", {S2_OTHER_TILE}),
        ("relativeOrbitNumber=51&platform=S2B", {S2_CLOUDY}),
        ("productIdentifier=%25T31UES%25", {S2_OTHER_TILE}),
        (f"productIdentifier=/eodata/Sentinel-2/MSI/L2A/2018/05/06/{S2_NAME}.SAFE", {S2_NAME}),
        ("box=2.4,50,3.9,50.4&maxRecords=0", set()),
        ("box=2.4,50.6,3.4,51", {S2_OTHER_TILE}),
        ("lon=4.5&lat=51.0", {S2_NAME, S2_CLOUDY}),
        ("lon=5.5&lat=51.0&radius=50000&orbitDirection=DESCENDING", {S2_NAME, S2_CLOUDY}),
        ("productType=S2MSI2A&instrument=MSI&tileId=31UES", {S2_OTHER_TILE}),
        ("productType=S2MSI1C", set()),
        ("status=31", set()),
        ("publishedAfter=2100-01-01", set()),
        ("unknown=1&dataset=ESA-DATASET&cloudCover=", {S2_NAME, S2_CLOUDY, S2_OTHER_TILE}),
    ],
)
def test_parameters(served, query, expected):
    assert set(titles(served, query)) == expected


def test_collections_are_sets(served):
    assert set(titles(served, "", "Sentinel1")) == {GRD_NAME, CARD_NAME, COH_NAME}
    assert titles(served, "", "s1-card-bs") == [CARD_NAME]
    everything = served.get(f"{FINDER}/search.json?maxRecords=50").json()
    assert len(everything["features"]) == 6
    names = [collection["name"] for collection in served.get(f"{FINDER}.json").json()["collections"]]
    assert {"Sentinel1", "Sentinel2", "Sentinel3", "Landsat8"} <= set(names)


def test_pages_and_counts(served):
    seen, url = [], f"{FINDER}/search.json?maxRecords=4&exactCount=1&sortOrder=ascending"
    while url:
        page = served.get(url).json()
        assert page["properties"]["totalResults"] == 6 and page["properties"]["exactCount"] == 1
        seen += [feature["id"] for feature in page["features"]]
        url = next((link["href"] for link in page["properties"]["links"] if link["rel"] == "next"), None)
    assert len(seen) == len(set(seen)) == 6
    second = served.get(f"{FINDER}/search.json?maxRecords=4&page=2&sortOrder=ascending").json()
    assert [feature["id"] for feature in second["features"]] == seen[4:]
    third = served.get(f"{FINDER}/search.json?maxRecords=2&index=3&sortOrder=ascending").json()
    assert [feature["id"] for feature in third["features"]] == seen[2:4]
    count = served.get(f"{FINDER}/search.json?maxRecords=0").json()
    assert count["features"] == [] and count["properties"]["totalResults"] == 6


def test_the_description_is_an_opensearch_document(served):
    answer = served.get(f"{FINDER}/Sentinel2/describe.xml")
    assert answer.headers["content-type"].startswith("application/opensearchdescription+xml")
    root = etree.fromstring(answer.body)
    urls = root.findall("os:Url", ATOM)
    by_type = {url.get("type"): url for url in urls if url.get("rel") == "results"}
    template = by_type["application/atom+xml"].get("template")
    known = {"count": "1", "eo:cloudCover": "[0,10]"}
    filled = urllib.parse.urlsplit(template)
    pairs = [pair.split("=", 1) for pair in filled.query.split("&")]
    query = {name: known[token.strip("{?}")] for name, token in pairs if token.strip("{?}") in known}
    found = served.get(f"{filled.path}?{urllib.parse.urlencode(query)}")
    entries = etree.fromstring(found.body).findall("a:entry", ATOM)
    assert [entry.findtext("a:title", namespaces=ATOM) for entry in entries] == [f"{S2_NAME}.SAFE"]


def test_answers_have_the_keys_of_the_recorded_ones(served, data):
    recorded = json.loads((data / "catalogue/opensearch-terrascope-creodias/testMissingS2.json").read_text())
    ours = served.get(f"{FINDER}/Sentinel2/search.json?cloudCover=[0,5]").json()
    assert set(recorded) <= set(ours)
    assert set(recorded["properties"]) <= set(ours["properties"])
    theirs, own = recorded["features"][0]["properties"], ours["features"][0]["properties"]
    assert set(theirs) <= set(own)
    for key, value in theirs.items():
        if value not in (None, 0) and own[key] is not None and key not in ("resolution", "processingBaseline"):
            assert isinstance(own[key], type(value)) or isinstance(value, int | float), key
    path = Path(theirs["productIdentifier"]).parent.parent.parent.parent
    assert Path(own["productIdentifier"]).parent.parent.parent.parent == path


@pytest.mark.parametrize(
    "query",
    [
        "maxRecords=2001",
        "maxRecords=x",
        "page=0",
        "index=500000",
        "startDate=yesterday",
        "cloudCover=[5,1]",
        "geometry=POLYGON((1+1,2+2))",
        "geometry=" + "GEOMETRYCOLLECTION(" * 500,
        "geometry=POINT(nan+nan)",
        "box=1,2,3",
        "box=1,95,3,99",
        "lat=5",
        "sortParam=%27;DROP%20TABLE%20items;--",
        "status=%00",
        "exactCount=maybe",
        "radius=1e9&lon=1&lat=1",
    ],
)
def test_wrong_values_are_said_in_the_dialect(served, query):
    for form in ("json", "atom"):
        with served.within_limits():
            answer = served.get(f"{FINDER}/Sentinel2/search.{form}?{query}")
        assert answer.status == 400
        said = answer.json()
        assert said["ErrorCode"] == 400 and said["ErrorMessage"]


def test_sql_in_every_parameter_finds_nothing_and_breaks_nothing(served):
    hostile = urllib.parse.quote("x' OR '1'='1\"; DROP TABLE items; --%_\\")
    names = "productType processingLevel platform instrument sensorMode orbitDirection polarisation tileId timeliness"
    for name in [*names.split(), "productIdentifier", "identifier", "processingBaseline", "swathIdentifier"]:
        with served.within_limits():
            answer = served.get(f"{FINDER}/Sentinel2/search.json?{name}={hostile}")
        assert answer.status in (200, 400), (name, answer.body)
        if answer.status == 200:
            assert answer.json()["features"] == [], name
    assert served.get(f"{FINDER}/{hostile}/search.json").status == 404
    assert served.get(f"{FINDER}/Sentinel2/search.xml").status == 404
    assert len(titles(served, "")) == 3
