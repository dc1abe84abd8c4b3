"""OData as the Copernicus Data Space speaks it, downloads as curl and wget resume them, the archive as files."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import urllib.parse
import zipfile

import pytest

import serving
from conftest import Swath
from serving import CARD_NAME, COH_NAME, GRD_NAME, S2_CLOUDY, S2_NAME, S2_OTHER_TILE

PRODUCTS = "/odata/v1/Products"
SAFE = f"{S2_NAME}.SAFE"
BAND = "GRANULE/L2A_T31UFS/IMG_DATA/R10m/T31UFS_B04_10m.jp2"


@pytest.fixture(scope="module")
def served(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("odata")
    served = serving.start(Swath(binary, folder / "home"), folder)
    yield served
    serving.stop(served)


def ask(served, filter_text: str, options: str = "") -> dict:
    answer = served.get(f"{PRODUCTS}?$filter={urllib.parse.quote(filter_text)}{options}")
    assert answer.status == 200, answer.body
    return answer.json()


def names(served, filter_text: str, options: str = "") -> set[str]:
    return {product["Name"].removesuffix(".SAFE") for product in ask(served, filter_text, options)["value"]}


def attribute(kind: str, name: str, condition: str) -> str:
    return f"Attributes/OData.CSC.{kind}Attribute/any(att:att/Name eq '{name}' and att/OData.CSC.{condition})"


ALL_S2 = {S2_NAME, S2_CLOUDY, S2_OTHER_TILE}


@pytest.mark.parametrize(
    ("filter_text", "expected"),
    [
        ("Collection/Name eq 'SENTINEL-2'", ALL_S2),
        ("Collection/Name eq 'SENTINEL-1'", {GRD_NAME, CARD_NAME, COH_NAME}),
        ("Collection/Name ne 'SENTINEL-1'", ALL_S2),
        (f"Name eq '{SAFE}'", {S2_NAME}),
        (f"not contains(Name,'CARD') and startswith(Name,'{GRD_NAME[:20]}')", {GRD_NAME}),
        ("endswith(Name,'COH6')", {COH_NAME}),
        ("contains(Name,'T31U_S')", set()),
        ("ContentDate/Start ge 2018-05-06T00:00:00.000Z and ContentDate/Start lt 2018-05-07T00:00:00.000Z", {S2_NAME, S2_OTHER_TILE}),
        ("ContentDate/End lt 2018-05-01T05:58:36.122Z", set()),
        ("ContentDate/Start gt 2018-05-07T00:00:00+02:00", {S2_CLOUDY}),
        ("PublicationDate gt 2100-01-01T00:00:00.000Z", set()),
        ("Collection/Name eq 'SENTINEL-2' and OData.CSC.Intersects(area=geography'SRID=4326;POLYGON((2.4 50.6,3.4 50.6,3.4 51,2.4 51,2.4 50.6))')", {S2_OTHER_TILE}),
        ("Collection/Name eq 'SENTINEL-2' and OData.CSC.Intersects(area=geography'SRID=4326;POINT(4.5 51)')", {S2_NAME, S2_CLOUDY}),
        (attribute("Double", "cloudCover", "DoubleAttribute/Value le 12.00"), {S2_NAME, S2_OTHER_TILE}),
        (attribute("Integer", "relativeOrbitNumber", "StringAttribute/Value eq 37"), {GRD_NAME, CARD_NAME, COH_NAME}),
        (attribute("String", "productType", "StringAttribute/Value eq 'S2MSI2A'"), ALL_S2),
        (attribute("String", "productType", "StringAttribute/Value eq 'IW_GRDH_1S'"), {GRD_NAME}),
        (attribute("String", "productType", "StringAttribute/Value eq 'CARD-COH6'"), {COH_NAME}),
        (attribute("String", "platformSerialIdentifier", "StringAttribute/Value eq 'B'"), {S2_CLOUDY}),
        (attribute("String", "platformShortName", "StringAttribute/Value eq 'SENTINEL-2'"), ALL_S2),
        (attribute("String", "orbitDirection", "StringAttribute/Value eq 'DESCENDING'") + " and contains(Name,'GRDH') and not contains(Name,'_CARD')", {GRD_NAME}),
        (attribute("String", "tileId", "StringAttribute/Value eq '31UES'"), {S2_OTHER_TILE}),
        (attribute("String", "polarisationChannels", "StringAttribute/Value eq 'VV&VH'") + " and endswith(Name,'COH6')", {COH_NAME}),
        (attribute("String", "noSuchAttribute", "StringAttribute/Value eq 'x'"), set()),
        ("not " + attribute("Double", "cloudCover", "DoubleAttribute/Value gt 10"), {S2_NAME, GRD_NAME, CARD_NAME, COH_NAME}),
        ("Collection/Name eq 'SENTINEL-2' and (" + attribute("Double", "cloudCover", "DoubleAttribute/Value lt 5") + " or contains(Name,'T31UES'))", {S2_NAME, S2_OTHER_TILE}),
    ],
)
def test_filters(served, filter_text, expected):
    assert names(served, filter_text) == expected


def test_pages_follow_their_links(served):
    seen, url = [], f"{PRODUCTS}?$orderby=ContentDate/Start%20asc&$top=2&$count=True"
    while url:
        page = served.get(url).json()
        assert page["@odata.count"] == 6
        seen += [product["Name"] for product in page["value"]]
        url = page.get("@odata.nextLink")
    assert len(seen) == len(set(seen)) == 6
    assert seen[-1] == f"{S2_CLOUDY}.SAFE"
    assert served.get(f"{PRODUCTS}?$top=2&$skip=4&$orderby=ContentDate/Start%20asc").json()["value"][-1]["Name"] == seen[-1]
    assert served.get(f"{PRODUCTS}/$count").body == b"6"


def test_names_are_looked_up_in_bulk(served):
    body = json.dumps({"FilterProducts": [{"Name": SAFE}, {"Name": CARD_NAME}, {"Name": "nothing"}]}).encode()
    answer = served.get(f"{PRODUCTS}/OData.CSC.FilterList", {"Content-Type": "application/json"}, "POST", body)
    assert {product["Name"] for product in answer.json()["value"]} == {SAFE, CARD_NAME}


def test_products_have_the_shape_of_the_recorded_ones(served, data):
    folder = data / "catalogue/eodag-provider-responses"
    recorded = json.loads((folder / "cop_dataspace_search.json").read_text())
    ours = ask(served, f"Name eq '{SAFE}'", "&$expand=Attributes&$expand=Assets&$count=True")
    assert ours["@odata.context"] == recorded["@odata.context"]
    theirs, own = recorded["value"][0], ours["value"][0]
    assert set(theirs) <= set(own)
    for key, value in theirs.items():
        assert isinstance(own[key], type(value)), key
    assert own["Footprint"].startswith("geography'SRID=4326;POLYGON ((")
    assert own["S3Path"] == f"/eodata/Sentinel-2/MSI/L2A/2018/05/06/{SAFE}"
    known = {entry["Name"]: entry for entry in theirs["Attributes"]}
    shared = [entry for entry in own["Attributes"] if entry["Name"] in known]
    assert len(shared) >= 10
    for entry in shared:
        expected = known[entry["Name"]]
        assert (entry["@odata.type"], entry["ValueType"]) == (expected["@odata.type"], expected["ValueType"])


def test_one_product_and_the_service(served):
    uuid = served.uuid_of(SAFE)
    product = served.get(f"{PRODUCTS}({uuid})?$expand=Attributes").json()
    assert product["Id"] == uuid and product["Attributes"]
    assert names(served, f"Id eq {uuid}") == {S2_NAME}
    assert served.get("/odata/v1/").json()["value"][0]["name"] == "Products"
    assert b"OData.CSC" in served.get("/odata/v1/$metadata").body


def test_the_zip_holds_the_product(served):
    answer = served.get(f"{PRODUCTS}({served.uuid_of(SAFE)})/$value")
    assert answer.status == 200 and answer.headers["content-type"] == "application/zip"
    assert int(answer.headers["content-length"]) == len(answer.body)
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        found = {info.filename: archive.read(info) for info in archive.infolist()}
    assert found == {f"{SAFE}/{path}": content for path, content in served.files.items()}


def test_every_range_is_a_part_of_the_same_zip(served):
    url = f"{PRODUCTS}({served.uuid_of(SAFE)})/$value"
    whole = served.get(url)
    etag, size = whole.headers["etag"], len(whole.body)
    assert etag.startswith('"')
    for start, end in [(0, 99), (50_000, 1_200_000), (size - 400, size - 1), (size - 22, size - 1), (3_000_000, size - 1)]:
        part = served.get(url, {"Range": f"bytes={start}-{end}", "If-Range": etag})
        assert part.status == 206 and part.body == whole.body[start : end + 1]
        assert part.headers["content-range"] == f"bytes {start}-{end}/{size}"
    assert served.get(url, {"Range": f"bytes={size}-"}).status == 416
    assert served.get(url, {"Range": "bytes=5-", "If-Range": '"other"'}).status == 200
    assert served.get(url, {"If-None-Match": etag}).status == 304
    head = served.get(url, method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(size))


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_cut_downloads_go_on(served, tmp_path, tool):
    if not shutil.which(tool):
        pytest.skip(f"skipped: {tool} is not installed")
    url = f"{served.url}{PRODUCTS}({served.uuid_of(SAFE)})/$value"
    whole = served.get(url).body
    target = tmp_path / "product.zip"
    target.write_bytes(whole[: len(whole) // 3])
    command = {"curl": ["curl", "-sS", "-C", "-", "-o", target, url], "wget": ["wget", "-q", "-c", "-O", target, url]}[tool]
    subprocess.run(command, check=True, timeout=60)
    assert target.read_bytes() == whole
    if shutil.which("unzip"):
        tested = subprocess.run(["unzip", "-tq", target], check=False, capture_output=True, timeout=60)
        assert tested.returncode == 0, tested.stdout


def test_nodes_lead_to_single_files(served):
    uuid = served.uuid_of(SAFE)
    root = served.get(f"{PRODUCTS}({uuid})/Nodes").json()["result"]
    assert [node["Name"] for node in root] == [SAFE]
    node, path = root[0], BAND.split("/")
    for name in path:
        children = served.get(node["Nodes"]["uri"]).json()["result"]
        node = next(child for child in children if child["Name"] == name)
    assert node["ContentLength"] == len(served.files[BAND])
    steps = "".join(f"/Nodes({name})" for name in [SAFE, *path])
    answer = served.get(f"{PRODUCTS}({uuid}){steps}/$value", {"Range": "bytes=100-199"})
    assert (answer.status, answer.body) == (206, served.files[BAND][100:200])


def test_the_archive_is_a_tree_of_files(served):
    folder = "/eodata/Sentinel-2/MSI/L2A/2018/05/06/"
    page = served.get(folder).body.decode()
    assert f'href="./{SAFE}/"' in page
    assert served.get(f"{folder}{SAFE}").headers["location"].endswith(f"{folder}{SAFE}/")
    for part in ["", "Sentinel-2/", "Sentinel-2/MSI/", "Sentinel-2/MSI/L2A/", "Sentinel-2/MSI/L2A/2018/"]:
        assert "href" in served.get(f"/eodata/{part}").body.decode(), part
    if shutil.which("wget"):
        target = served.folder / "mirror"
        # GNU wget follows the pages down; -np keeps it below the product.
        command = ["wget", "-q", "-r", "-np", "-nH", "--cut-dirs=7", "-R", "index.html*", "-P", target, f"{served.url}{folder}{SAFE}/"]
        subprocess.run(command, check=False, timeout=60)
        assert (target / SAFE / BAND).read_bytes() == served.files[BAND]


def test_assets_of_items_have_paths(served):
    answer = served.get(f"/objects/sentinel-2-l2a/{S2_NAME}/B04_10m", {"Range": "bytes=0-3"})
    assert (answer.status, answer.body) == (206, b"II*\0")


@pytest.mark.parametrize(
    "query",
    [
        "$top=1001",
        "$top=x",
        "$skip=10001",
        "$orderby=Size",
        "$expand=Everything",
        "$count=perhaps",
        "$filter=Name",
        "$filter=Name%20eq%20%27open",
        "$filter=ContentLength%20gt%205",
        "$filter=" + "(" * 5_000,
        "$filter=" + "not%20" * 2_000 + "Name%20eq%20%27a%27",
        "$filter=" + "%20or%20".join(["Name%20eq%20%27a%27"] * 400),
        "$filter=OData.CSC.Intersects(area=geography%27SRID=4326;" + "GEOMETRYCOLLECTION(" * 1_000 + "%27)",
        "$filter=OData.CSC.Intersects(area=geography%27SRID=4326;POLYGON((" + "1%201," * 9_000 + "1%201))%27)",
        "$filter=Name%20eq%20%27x%27;DROP%20TABLE%20items",
        "$apply=aggregate",
    ],
)
def test_wrong_queries_are_said_in_the_dialect(served, query):
    with served.within_limits():
        answer = served.get(f"{PRODUCTS}?{query}")
    assert answer.status == 400, answer.body
    assert answer.json()["error"]["message"]


def test_what_is_not_there_is_said_in_the_dialect(served):
    missing = "00000000-0000-4000-8000-000000000000"
    cloudy = served.uuid_of(f"{S2_CLOUDY}.SAFE")
    uuid = served.uuid_of(SAFE)
    for path in [
        f"{PRODUCTS}({missing})",
        f"{PRODUCTS}({missing})/$value",
        f"{PRODUCTS}({cloudy})/$value",
        f"{PRODUCTS}({uuid})/Nodes({SAFE})/Nodes(..)/Nodes(..)/$value",
        f"{PRODUCTS}({uuid})/Nodes({SAFE})/Nodes(%2e%2e%2fB04_10m.tif)/$value",
        f"{PRODUCTS}(1)",
        "/odata/v1/Subscriptions",
    ]:
        answer = served.get(path)
        assert answer.status == 404, path
        assert answer.json()["error"]["message"], path
    for path in ["/eodata/../../etc/passwd", f"/eodata/Sentinel-2/MSI/L2A/2018/05/06/{SAFE}/../../../x", "/objects/a/b/c"]:
        assert served.get(path).status == 404, path
    hostile = "x'') or 1=1; DROP TABLE items --\"\\%_"
    assert names(served, f"contains(Name,'{hostile}')") == set()
    body = b'{"FilterProducts": ' + b"[" * 200_000
    answer = served.get(f"{PRODUCTS}/OData.CSC.FilterList", {"Content-Type": "application/json"}, "POST", body)
    assert answer.status == 400
