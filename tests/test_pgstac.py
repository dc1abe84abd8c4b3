"""Import from a real pgSTAC database, and export that its own loader takes."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

import pytest

from postgres import database

psycopg = pytest.importorskip("psycopg", reason="skipped: psycopg, which comes with pypgstac, is not installed")
pytest.importorskip("pypgstac", reason="skipped: pypgstac is not installed")

READER = "swath_test_reader"
# More than are read at once, so that the cursor is asked several times.
MANY = 1_203


@dataclass
class Pgstac:
    """A database with pgSTAC in it."""

    url: str

    def url_of(self, user: str) -> str:
        parts = urllib.parse.urlsplit(self.url)
        return parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}").geturl()

    def sql(self, text: str, *values):
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET search_path TO pgstac, public")
            cursor = connection.execute(text, values)
            return cursor.fetchall() if cursor.description else None

    def pypgstac(self, *args) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", "from pypgstac.pypgstac import cli; cli()", *map(str, args), "--dsn", self.url]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        return done

    def load(self, folder: Path, collections: list[dict], items: list[dict], method: str = "insert") -> None:
        for table, objects in (("collections", collections), ("items", items)):
            path = folder / f"load-{table}.ndjson"
            path.write_text("".join(json.dumps(one) + "\n" for one in objects))
            self.pypgstac("load", table, path, "--method", method)

    def items(self, collection: str) -> dict[str, dict]:
        """Items as pgSTAC itself gives them."""
        rows = self.sql("SELECT content_hydrate(items.*) FROM items WHERE collection = %s", collection)
        return {item["id"]: item for (item,) in rows}


@pytest.fixture
def pgstac():
    with database(f"swath_pgstac_{os.getpid()}") as url:
        pgstac = Pgstac(url)
        pgstac.pypgstac("migrate")
        yield pgstac


def collection(name: str = "fields", **more) -> dict:
    band = {"name": "red", "eo:common_name": "red", "gsd": 10}
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": name,
        "description": "Made up",
        "license": "other",
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]}},
        "links": [],
        "item_assets": {
            "red": {"type": "image/tiff", "title": "Red", "roles": ["data", "reflectance"], "bands": [band]},
            "meta": {"type": "application/xml", "title": "Metadata", "roles": ["metadata"]},
        },
        **more,
    }


def item(name: str, number: int = 0, collection: str = "fields") -> dict:
    west, south = round(-9.12 + number / 100, 6), round(50.1 + number / 1000, 6)
    east, north = round(west + 0.5, 6), round(south + 0.5, 6)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    band = {"name": "red", "eo:common_name": "red", "gsd": 20}
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": name,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "properties": {"datetime": f"2021-{1 + number % 12:02}-{1 + number % 28:02}T10:00:00Z", "eo:cloud_cover": number % 100},
        "links": [{"rel": "license", "href": "https://example.org/license"}],
        "assets": {
            # Other than what the collection says: a shorter list, an element of a list, a title that is missing.
            "red": {"href": f"s3://a/{name}/red.tif", "type": "image/tiff", "roles": ["data", "visual"], "bands": [band]},
            "meta": {"href": f"s3://a/{name}/meta.xml", "type": "application/xml", "title": "Metadata", "roles": ["metadata"]},
        },
    }


def special() -> list[dict]:
    """Items that are easily damaged on the way."""
    path = item("backslashes", 1)
    path["properties"]["path"] = 'C:\\new\\table "a" \\u0041 \\\\server\\'
    span = item("range", 2)
    span["properties"] |= {"datetime": None, "start_datetime": "2021-03-01T00:00:00Z", "end_datetime": "2021-03-02T00:00:00Z"}
    bare = item("bare", 3)
    bare["assets"] = {"other": {"href": "s3://a/other.tif"}}
    high = item("high", 4)
    high["geometry"] = {"type": "Point", "coordinates": [1.5, 2.25, 300.125]}
    high["bbox"] = [1.5, 2.25, 300.125, 1.5, 2.25, 300.125]
    nested = item("nested", 5)
    nested["properties"]["deep"] = {"list": [[1, None], {"a": None}], "empty": {}, "text": "\u00e9\u4e2d\U0001f6f0"}
    return [path, span, bare, high, nested]


def exported(swath, folder: Path, name: str = "fields") -> dict[str, dict]:
    path = folder / f"{name}.ndjson"
    swath("items", "export", "--collection", name, "-o", path)
    return {one["id"]: one for one in map(json.loads, path.read_text().splitlines())}


def without_times(one: dict) -> dict:
    """An item without what each catalogue sets itself."""
    one = copy.deepcopy(one)
    for name in ("created", "updated"):
        one["properties"].pop(name, None)
    return one


def without_nulls(value):
    """pgSTAC's own functions drop what is null."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [without_nulls(member) for member in value]
    return value


def assert_same(found: dict[str, dict], expected: list[dict]) -> None:
    assert sorted(found) == sorted(one["id"] for one in expected)
    for one in expected:
        assert without_times(found[one["id"]]) == one


def test_items_of_pgstac_come_in_as_they_were_loaded(swath, pgstac, tmp_path):
    loaded = special() + [item(f"many-{number:05}", number) for number in range(MANY)]
    # The loader itself turns two backslashes into one: what it is given here has none.
    loaded[0]["properties"]["path"] = "C:/new"
    pgstac.load(tmp_path, [collection()], loaded)
    outcome = swath("items", "import", pgstac.url)
    assert "collection fields registered" in outcome.stderr
    assert f"{len(loaded)} items registered in fields" in outcome.stderr
    assert_same(exported(swath, tmp_path), loaded)
    # Again: the collection stays, and nothing changes.
    before = exported(swath, tmp_path)
    outcome = swath("items", "import", pgstac.url, "--collection", "fields")
    assert "registered already" in outcome.stderr
    assert exported(swath, tmp_path) == before


def test_items_that_the_database_stored_itself_are_completed(swath, pgstac, tmp_path):
    pgstac.load(tmp_path, [collection()], [])
    for one in special():
        pgstac.sql("SELECT create_item(%s::jsonb)", json.dumps(one))
    swath("items", "import", pgstac.url)
    found = exported(swath, tmp_path)
    theirs = pgstac.items("fields")
    assert sorted(found) == sorted(theirs)
    for name, one in theirs.items():
        assert without_nulls(without_times(found[name])) == without_nulls(one)
    # STAC wants it, and pgSTAC loses it.
    assert found["range"]["properties"]["datetime"] is None


def test_items_loaded_before_and_after_their_collection_changed(swath, pgstac, tmp_path):
    before, after = [item("before", 1)], [item("after", 2)]
    pgstac.load(tmp_path, [collection()], before)
    changed = collection()
    changed["item_assets"]["red"]["roles"] = ["overview"]
    changed["item_assets"]["meta"]["title"] = "Other"
    changed["item_assets"]["new"] = {"type": "image/png"}
    pgstac.load(tmp_path, [changed], after, method="upsert")
    swath("items", "import", pgstac.url)
    assert_same(exported(swath, tmp_path), before + after)


def test_one_collection_of_several_and_a_user_who_may_only_read(swath, pgstac, tmp_path):
    names = ["fields", "forests", "empty"]
    items = [item("a", 1), item("b", 2, "forests")]
    pgstac.load(tmp_path, [collection(name) for name in names], items)
    pgstac.sql(f"DO $$ BEGIN CREATE ROLE {READER} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    pgstac.sql(f"GRANT pgstac_read TO {READER}")
    outcome = swath("items", "import", pgstac.url_of(READER), "--collection", "forests")
    assert "1 items registered in forests" in outcome.stderr
    assert swath.run("items", "fields").code == 4
    swath("items", "import", pgstac.url_of(READER))
    listed = {one["id"]: one["swath:items"] for one in swath("collections", "--json").json()}
    assert {name: listed[name] for name in names} == {"fields": 1, "forests": 1, "empty": 0}


def test_export_is_what_the_loader_takes(swath, pgstac, tmp_path):
    items = special() + [item("other", 6, "forests")]
    for name in ("fields", "forests"):
        (tmp_path / f"{name}.json").write_text(json.dumps(collection(name)))
        swath("collections", "add", tmp_path / f"{name}.json")
        lines = tmp_path / f"{name}-in.ndjson"
        lines.write_text("".join(json.dumps(one) + "\n" for one in items if one["collection"] == name))
        swath("items", "import", lines, "--collection", name)
    out = tmp_path / "out"
    outcome = swath("items", "export", "--collection", "fields", "--collection", "forests", "--pgstac", out)
    assert "2 collections and 6 items" in outcome.stderr
    for table in ("collections", "items"):
        pgstac.pypgstac("load", table, out / f"{table}.ndjson", "--method", "upsert")
    theirs = pgstac.items("fields") | pgstac.items("forests")
    assert sorted(theirs) == sorted(one["id"] for one in items)
    for one in items:
        assert without_nulls(without_times(theirs[one["id"]])) == without_nulls(one)
    # And back.
    again = swath("--home", tmp_path / "again", "items", "import", pgstac.url)
    assert "5 items registered in fields" in again.stderr


def test_items_that_pgstac_cannot_hold_are_named(swath, tmp_path):
    nowhere = item("nowhere") | {"geometry": None}
    nowhere.pop("bbox")
    (tmp_path / "fields.json").write_text(json.dumps(collection()))
    (tmp_path / "in.ndjson").write_text(json.dumps(nowhere) + "\n" + json.dumps(item("somewhere")) + "\n")
    swath("items", "import", tmp_path / "in.ndjson", "--collection", "fields", "--collection-file", tmp_path / "fields.json")
    outcome = swath.run("items", "export", "--collection", "fields", "--pgstac", tmp_path / "out")
    assert outcome.code == 3
    assert "nowhere: it has no geometry" in outcome.stderr
    assert [json.loads(line)["id"] for line in (tmp_path / "out/items.ndjson").read_text().splitlines()] == ["somewhere"]


def test_what_is_no_pgstac_is_said_without_credentials(swath, tmp_path):
    with database(f"swath_plain_{os.getpid()}") as url:
        parts = urllib.parse.urlsplit(url)
        secret = parts._replace(netloc=f"postgres:hidden@{parts.netloc.rpartition('@')[2]}").geturl()
        outcome = swath.run("items", "import", secret)
        assert outcome.code == 4, outcome.stderr
        assert "pgstac.items" in outcome.stderr
        assert "hidden" not in outcome.stderr
    gone = swath.run("items", "import", url)
    assert gone.code == 5, gone.stderr
    mixed = swath.run("items", "import", url, tmp_path / "a.ndjson", "--collection", "fields")
    assert mixed.code == 2
    nameless = swath.run("items", "import", tmp_path / "a.ndjson")
    assert nameless.code == 2
    assert "--collection" in nameless.stderr
