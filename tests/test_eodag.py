"""EODAG against our OData, with its own provider configuration of the data space and our host."""

from __future__ import annotations

import zipfile

import pytest

import serving
from conftest import Swath
from serving import GRD_NAME, S2_CLOUDY, S2_NAME, S2_OTHER_TILE

eodag = pytest.importorskip("eodag")


@pytest.fixture(scope="module")
def served(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("eodag")
    served = serving.start(Swath(binary, folder / "home"), folder)
    yield served
    serving.stop(served)


@pytest.fixture
def gateway(served, tmp_path, monkeypatch):
    """EODAG that knows one provider: the data space, on our host."""
    configured = tmp_path / "eodag.yml"
    configured.write_text(
        "cop_dataspace:\n"
        "  priority: 10\n"
        "  search:\n"
        f"    api_endpoint: {served.url}/odata/v1/Products\n"
        "  download:\n"
        "    extract: false\n"
        f"    output_dir: {tmp_path}\n"
        "  auth:\n"
        "    type: HTTPHeaderAuth\n"
        "    headers:\n"
        '      Authorization: "Bearer {apikey}"\n'
        "    credentials:\n"
        f"      apikey: {served.token}\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    gateway = eodag.EODataAccessGateway(user_conf_file_path=str(configured))
    gateway.set_preferred_provider("cop_dataspace")
    return gateway


def found(gateway, **criteria) -> list[str]:
    results = gateway.search(provider="cop_dataspace", count=True, raise_errors=True, validate=False, **criteria)
    assert results.number_matched == len(results)
    return [product.properties["title"] for product in results]


def test_search_by_collection_place_and_time(gateway):
    collection = {"collection": "S2_MSI_L2A"}
    assert set(found(gateway, **collection)) == {S2_NAME, S2_CLOUDY, S2_OTHER_TILE}
    assert found(gateway, **collection, start="2018-05-07", end="2018-06-01") == [S2_CLOUDY]
    box = {"lonmin": 4.2, "latmin": 50.6, "lonmax": 4.8, "latmax": 51.0}
    assert set(found(gateway, **collection, geom=box)) == {S2_NAME, S2_CLOUDY}
    assert found(gateway, **collection, **{"eo:cloud_cover": 10}) == [S2_NAME]
    assert found(gateway, collection="S1_SAR_GRD") == [GRD_NAME]


def test_search_by_identifier_and_attributes(gateway):
    results = gateway.search(provider="cop_dataspace", collection="S2_MSI_L2A", id=S2_NAME, raise_errors=True, validate=False)
    assert [product.properties["title"] for product in results] == [S2_NAME]
    properties = results[0].properties
    assert properties["eo:cloud_cover"] == 4.25
    assert properties["sat:relative_orbit"] == 51
    assert properties["sat:orbit_state"] == "descending"
    assert properties["grid:code"] == "MGRS-31UFS"
    assert results[0].geometry.bounds == (4.0, 50.5, 5.0, 51.5)
    wanted = {"sat:relative_orbit": 51, "sat:orbit_state": "descending", "platform": "S2B"}
    assert found(gateway, collection="S2_MSI_L2A", **wanted) == [S2_CLOUDY]


def test_download(gateway, served):
    results = gateway.search(provider="cop_dataspace", collection="S2_MSI_L2A", id=S2_NAME, raise_errors=True, validate=False)
    product = results[0]
    product.downloader_auth = None
    uuid = product.properties["uid"]
    for name in ("location", "remote_location"):
        setattr(product, name, f"{served.url}/odata/v1/Products({uuid})/$value")
    product.properties["eodag:download_link"] = product.location
    path = product.download(extract=False)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {info.filename for info in archive.infolist()} == {f"{S2_NAME}.SAFE/{name}" for name in served.files}
