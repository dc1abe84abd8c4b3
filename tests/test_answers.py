"""Recorded answers of real services, imported: what comes out is STAC 1.1 by its JSON schema.

Extensions are left out: there are no schemas of them offline.
"""

from __future__ import annotations

import gzip
import json
import urllib.parse
from pathlib import Path

import pytest

import serving
from conftest import Swath

jsonschema = pytest.importorskip("jsonschema")
referencing = pytest.importorskip("referencing")
drafts = pytest.importorskip("referencing.jsonschema")
yaml = pytest.importorskip("yaml")

ITEM_SCHEMA = "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"
PROVIDERS = "eodag-provider-responses"
HUB = "scihub-opensearch-odata-recordings"
FINDERS = "opensearch-terrascope-creodias"
#: Answers and the number of products in each.
ANSWERS = {
    f"{PROVIDERS}/awseos_search.json": 2,
    f"{PROVIDERS}/cop_dataspace_search.json": 2,
    f"{PROVIDERS}/eodag_search_result.geojson": 1,
    f"{PROVIDERS}/eodag_search_result_awseos.geojson": 2,
    f"{PROVIDERS}/eodag_search_result_cop_dataspace.geojson": 2,
    f"{PROVIDERS}/eodag_search_result_creodias.geojson": 2,
    f"{PROVIDERS}/eodag_search_result_creodias.json": 10,
    f"{PROVIDERS}/eumetsat_ds_search.json": 1,
    f"{PROVIDERS}/geodes_search.json": 1,
    f"{PROVIDERS}/mundi_search.xml": 2,
    f"{PROVIDERS}/onda_search.json": 2,
    f"{PROVIDERS}/sara_search.json": 2,
    f"{PROVIDERS}/stac_singlefile.json": 5,
    "geoengine-stac-responses/items_page_1_limit_500.json": 1,
    f"{FINDERS}/opensearch_result_portugal.json": 4,
    f"{FINDERS}/testMissingS2.json": 6,
    f"{FINDERS}/testPixelValueOffsetNeededCorner.json": 1,
    f"{FINDERS}/testPixelValueOffsetNeededDark.json": 1,
    f"{HUB}/products_fixture.yaml": 100,
    f"{HUB}/test_cloud_flag_url.yaml": 15,
    f"{HUB}/test_footprints_s1.yaml": 19,
    f"{HUB}/test_get_product_odata_full.yaml": 3,
    f"{HUB}/test_order_by_flag.yaml": 35,
}


def bodies(path: Path, folder: Path) -> list[Path]:
    """The answer, or the answers that a recording of HTTP interactions holds, in files."""
    if path.suffix != ".yaml":
        return [path]
    found = []
    for number, interaction in enumerate(yaml.safe_load(path.read_text())["interactions"]):
        body = interaction["response"]["body"]["string"]
        body = body.encode() if isinstance(body, str) else body
        file = folder / f"{path.stem}-{number}.json"
        file.write_bytes(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        found.append(file)
    return found


def imported(swath: Swath, folder: Path, *files: Path) -> list[dict]:
    """Imports files into a collection of their own; returns its items as they are exported."""
    collection = folder / "collection.json"
    collection.write_text(json.dumps({"type": "Collection", "id": "answers", "description": "d", "license": "other"}))
    swath("items", "import", *files, "--collection", "answers", "--collection-file", collection)
    lines = folder / "items.ndjson"
    swath("items", "export", "--collection", "answers", "-o", lines)
    return [json.loads(line) for line in lines.read_text().splitlines()]


@pytest.fixture(scope="module")
def validator(shared):
    root = shared / "schemas" / "json"
    if not root.is_dir():
        pytest.skip(f"skipped: {root} is not there")

    def retrieve(address: str):
        parts = urllib.parse.urlsplit(address)
        document = json.loads((root / parts.netloc / parts.path.lstrip("/")).read_text())
        return referencing.Resource.from_contents(document, drafts.DRAFT7)

    schema = retrieve(ITEM_SCHEMA).contents
    return jsonschema.Draft7Validator(schema, registry=referencing.Registry(retrieve=retrieve))


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_items_of_answers_are_stac(swath, data, validator, tmp_path, name):
    items = imported(swath, tmp_path, *bodies(data / "catalogue" / name, tmp_path))
    assert len(items) == ANSWERS[name]
    for item in items:
        # A collection needs a link to it, which only a server can write.
        core = {key: value for key, value in item.items() if key != "collection"}
        errors = [error.message[:300] for error in validator.iter_errors(core)]
        assert not errors, f"{item['id']}: {errors}"
        assert item["stac_version"] == "1.1.0"
        assert not item["id"].endswith((".SAFE", ".zip"))


SAME = [
    "datetime", "start_datetime", "end_datetime", "platform", "eo:cloud_cover", "sat:relative_orbit",
    "sat:absolute_orbit", "sat:orbit_state", "sar:instrument_mode", "sar:polarizations",
]  # fmt: skip


@pytest.mark.parametrize(
    "question",
    [
        "/odata/v1/Products?$expand=Attributes",
        "/resto/api/collections/search.json?maxRecords=100&status=all",
        "/resto/api/collections/search.atom?maxRecords=100&status=all",
    ],
)
def test_what_our_own_faces_say_comes_in_again(binary, tmp_path, question):
    served = serving.start(Swath(binary, tmp_path / "home"), tmp_path)
    try:
        answer = served.get(question)
    finally:
        serving.stop(served)
    assert answer.status == 200, answer.body
    file = tmp_path / "answer"
    file.write_bytes(answer.body)
    back = {item["id"]: item for item in imported(Swath(binary, tmp_path / "other"), tmp_path, file)}
    wanted = {item["id"]: item for item in serving.products()}
    assert set(back) == set(wanted)
    for name, item in wanted.items():
        found = back[name]
        assert found["geometry"] == item["geometry"], name
        for key in SAME:
            assert found["properties"].get(key) == item["properties"].get(key), f"{name}: {key}"
