"""The faces on series beside DuckDB, pyarrow and deltalake over the same files."""

from __future__ import annotations

import io
import struct
from collections import Counter

import pyarrow.csv
import pyarrow.dataset
import pyarrow.ipc
import pyarrow.parquet
import pytest
import requests
from deltalake import DeltaTable

from season import COLLECTIONS, PARCELS, SET, duckdb_rows

OPTICAL, BACKSCATTER, _ = COLLECTIONS
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def server(season_server):
    return season_server


@pytest.fixture(scope="module")
def parcel(season) -> str:
    return min(season.parcel_ids())


def files(season, collection: str) -> list[str]:
    """The files of the newest snapshot."""
    return DeltaTable(str(season.table(collection))).file_uris()


def columns(answer: requests.Response) -> dict:
    assert answer.status_code == 200, answer.text
    return answer.json()["columns"]


def get(address: str, path: str, **options) -> requests.Response:
    return requests.get(f"{address}{path}", timeout=TIMEOUT_S, **options)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_other_programs_count_the_same(season, parcel, collection):
    """One parcel's rows: of `swath series`, DuckDB, pyarrow and deltalake."""
    own = season.swath("series", parcel, "--parcels", SET, "--collection", collection, "--format", "json").json()["columns"]
    assert own["mean"], "rows"
    listed = files(season, collection)
    rows = duckdb_rows(
        "SELECT band, count(*), sum(count), sum(mean) FROM read_parquet(?) WHERE parcel_id = ? GROUP BY band",
        [listed, parcel],
    )
    assert Counter(own["band"]) == {band: count for band, count, *_ in rows}
    for band, _, counts, means in rows:
        mine = [index for index, name in enumerate(own["band"]) if name == band]
        assert sum(own["count"][index] for index in mine) == pytest.approx(counts, rel=1e-6)
        assert sum(own["mean"][index] or 0 for index in mine) == pytest.approx(means or 0, rel=1e-6)
    dataset = pyarrow.dataset.dataset(listed, format="parquet")
    assert dataset.count_rows(filter=pyarrow.dataset.field("parcel_id") == parcel) == len(own["band"])
    table = DeltaTable(str(season.table(collection))).to_pyarrow_table(columns=["parcel_id"])
    assert table.num_rows == dataset.count_rows()


def test_the_forms_of_an_answer_hold_the_same_rows(server, parcel):
    path = f"/parcels/{SET}/{parcel}/series?collection={OPTICAL}&band=B04,B08"
    rows = columns(get(server, path))
    read = {
        "csv": lambda bytes_: pyarrow.csv.read_csv(io.BytesIO(bytes_)),
        "arrow": lambda bytes_: pyarrow.ipc.open_stream(bytes_).read_all(),
        "parquet": lambda bytes_: pyarrow.parquet.read_table(io.BytesIO(bytes_)),
    }
    for form, reader in read.items():
        answer = get(server, f"{path}&format={form}")
        assert answer.status_code == 200, answer.text
        table = reader(answer.content)
        assert table.column_names == list(rows), form
        assert table.num_rows == len(rows["band"]), form
        for mine, theirs in zip(rows["mean"], table["mean"].to_pylist(), strict=True):
            assert mine == pytest.approx(theirs, rel=1e-6), form
    asked = get(server, path, headers={"Accept": "text/csv"})
    assert asked.headers["content-type"].startswith("text/csv")


def test_an_answer_that_did_not_change_is_not_sent_again(server, parcel):
    path = f"/parcels/{SET}/{parcel}/series?collection={OPTICAL}"
    etag = get(server, path).headers["etag"]
    again = get(server, path, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    other = get(server, f"{path}&band=B04", headers={"If-None-Match": etag})
    assert other.status_code == 200


def test_indices_and_periods_say_what_they_are(server, season, parcel):
    means = columns(get(server, f"/parcels/{SET}/{parcel}/series?collection={OPTICAL}&band=B04,B08"))
    by_date = {}
    for when, band, mean in zip(means["datetime"], means["band"], means["mean"], strict=True):
        by_date.setdefault(when, {})[band] = mean
    answer = get(server, f"/parcels/{SET}/{parcel}/series?collection={OPTICAL}&expr=NDVI").json()
    assert answer["expression"]["of"] == "means" and "not the mean over pixels" in answer["meaning"]
    rows = answer["columns"]
    assert len(rows["value"]) == len(by_date)
    for when, value in zip(rows["datetime"], rows["value"], strict=True):
        red, nir = by_date[when]["B04"], by_date[when]["B08"]
        expected = None if red is None or red + nir == 0 else (nir - red) / (nir + red)
        assert value == (expected if expected is None else pytest.approx(expected, abs=1e-6))
    for period, shortest in (("5-day", 5), ("dekad", 8), ("month", 28)):
        monthly = columns(get(server, f"/parcels/{SET}/{parcel}/series?collection={OPTICAL}&band=B04&period={period}"))
        assert 1 < len(monthly["value"]) <= 366 / shortest
        assert sum(monthly["observations"]) == sum(mean["B04"] is not None for mean in by_date.values())


def test_a_month_is_the_mean_weighted_by_count(season, parcel):
    own = season.swath(
        "series", parcel, "--parcels", SET, "--collection", BACKSCATTER, "--band", "VV", "--period", "month", "--format", "json"
    ).json()["columns"]
    rows = duckdb_rows(
        """SELECT date_trunc('month', datetime AT TIME ZONE 'UTC') AS month, sum(mean * count) / sum(count)
           FROM read_parquet(?) WHERE parcel_id = ? AND band = 'VV' AND count > 0 GROUP BY month ORDER BY month""",
        [files(season, BACKSCATTER), parcel],
    )
    assert own["value"] == pytest.approx([mean for _, mean in rows], rel=1e-6)


def test_many_parcels_come_as_a_stream_in_the_order_of_the_set(server, season):
    url = f"{server}/parcels/{SET}/series"
    question = {"collection": BACKSCATTER, "band": "VV", "format": "arrow"}
    answer = requests.post(url, json=question, timeout=TIMEOUT_S)
    assert answer.status_code == 200, answer.text
    table = pyarrow.ipc.open_stream(answer.content).read_all()
    count = duckdb_rows(
        "SELECT count(*) FROM read_parquet(?) WHERE band = 'VV'", [files(season, BACKSCATTER)]
    )[0][0]
    assert table.num_rows == count
    assert table["parcel"].to_pylist() == sorted(table["parcel"].to_pylist())
    ids = sorted(set(table["parcel_id"].to_pylist()))
    assert len(ids) == PARCELS
    some = requests.post(url, json={**question, "ids": ids[:3], "period": "month"}, timeout=TIMEOUT_S)
    found = pyarrow.ipc.open_stream(some.content).read_all()
    assert sorted(set(found["parcel_id"].to_pylist())) == ids[:3]
    unknown = requests.post(url, json={**question, "ids": [ids[0], "nobody"]}, timeout=TIMEOUT_S)
    assert unknown.status_code == 404 and "nobody" in unknown.json()["description"]
    as_json = requests.post(url, json={**question, "format": "json"}, timeout=TIMEOUT_S)
    assert as_json.status_code == 406


def test_an_image_is_every_parcel_at_once(server, season):
    listed = files(season, OPTICAL)
    item, count = duckdb_rows(
        "SELECT item_id, count(*) FROM read_parquet(?) GROUP BY item_id ORDER BY item_id LIMIT 1", [listed]
    )[0]
    answer = get(server, f"/parcels/{SET}/images/{item}?format=parquet")
    assert answer.status_code == 200, answer.text
    table = pyarrow.parquet.read_table(io.BytesIO(answer.content))
    assert table.num_rows == count and set(table["item_id"].to_pylist()) == {item}
    assert get(server, f"/parcels/{SET}/images/nothing").status_code == 404


def test_parcels_are_features_page_by_page(server):
    sets = get(server, "/parcels").json()["sets"]
    assert [entry["name"] for entry in sets] == [SET]
    about = get(server, f"/parcels/{SET}").json()
    assert {table["collection"] for table in about["tables"]} == set(COLLECTIONS)
    path, seen = f"{server}/parcels/{SET}/items?limit=15", []
    while path:
        page = requests.get(path, timeout=TIMEOUT_S).json()
        seen += [feature["id"] for feature in page["features"]]
        path = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert len(seen) == len(set(seen)) == PARCELS
    one = get(server, f"/parcels/{SET}/items/{seen[0]}").json()
    west, south, east, north = one["bbox"]
    inside = get(server, f"/parcels/{SET}/items?bbox={west},{south},{east},{north}").json()
    assert seen[0] in [feature["id"] for feature in inside["features"]]
    assert one["properties"]["crop_code"] and one["geometry"]["type"] in ("Polygon", "MultiPolygon")


def test_what_is_private_is_not_there(season, server, parcel):
    swath = season.swath
    swath("parcels", "import", season.landscape / "parcels.parquet", "--name", "secret", "--id", "parcel_id")
    for path in ("/parcels/secret", f"/parcels/secret/{parcel}/series", "/parcels/secret/items"):
        assert get(server, path).status_code == 404, path
    token = swath("token", "create", "--name", "me", "--subject", "me").stdout.strip().splitlines()[-1]
    assert get(server, "/parcels/secret", headers={"Authorization": f"Bearer {token}"}).status_code == 404
    assert get(server, "/parcels", auth=("anybody", token)).status_code == 200
    assert get(server, "/parcels", auth=("anybody", "wrong")).status_code == 401


@pytest.mark.parametrize(
    "query",
    ["bnd=B04", "expr=B04%2B", "period=week", "format=xlsx", "clear=2", "columns=nothing", "datetime=soon", "band=B04&expr=NDVI"],
)
def test_questions_that_make_no_sense_are_refused_with_the_reason(server, parcel, query):
    answer = get(server, f"/parcels/{SET}/{parcel}/series?{query}")
    assert answer.status_code == 400 and answer.json()["description"]


def test_the_season_is_a_picture(season, parcel, tmp_path):
    picture = tmp_path / "season.png"
    season.swath("series", parcel, "--parcels", SET, "--format", "png", "--output", picture)
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:24])
    assert width == 1920 and height > 800
    text = season.swath("series", parcel, "--parcels", SET, "--format", "svg").stdout
    for word in ("NDVI", "Backscatter", "Coherence", "VV orbit", "VH orbit", "Hollow"):
        assert word in text, word


def test_the_command_says_what_is_not_there(season, parcel):
    assert season.swath.run("series", "nobody", "--parcels", SET).code == 4
    assert season.swath.run("series", parcel, "--parcels", "nowhere").code == 4
    assert season.swath.run("series", parcel, "--parcels", SET, "--collection", "nothing").code == 4
    assert season.swath.run("series", parcel, "--parcels", SET, "--expr", "B04+").code == 2
    rows = season.swath("series", parcel, "--parcels", SET, "--band", "B04", "--clear", "0.9", "--format", "json").json()
    assert all(clear >= 0.9 for clear in rows["columns"]["clear"])
