"""A data home with a simulated season in extract tables, served: what the tests of the series' faces stand on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from serving import listening

PARCELS = 40
SET = "land_2021"
COLLECTIONS = ("sentinel-2-l2a", "s1-card-bs", "s1-card-coh6")
EXTRACTION_S = 600
STOP_S = 60


@dataclass
class Season:
    """The home and what lies in it."""

    swath: object
    landscape: Path

    def parcel_ids(self) -> list[str]:
        """Ids in the set, the largest parcel first."""
        declared = self.swath.home / "parcels" / SET / "1.parquet"
        return [id for (id,) in duckdb_rows("SELECT id FROM read_parquet(?) ORDER BY area_m2 DESC", [str(declared)])]

    def table(self, collection: str, kind: str = "") -> Path:
        """The folder of the only table of a collection."""
        found = list((self.swath.home / "tables" / collection / f"{SET}@1").iterdir())
        assert len(found) == 1, found
        return found[0] / kind if kind else found[0]


def duckdb_rows(query: str, parameters: object = None) -> list[tuple]:
    """All rows, by a connection of its own: the one that the module shares stays busy after `fetchone`."""
    with duckdb.connect() as connection:
        return connection.execute(query, parameters).fetchall()


def make_season(swath) -> Season:
    """Simulates, registers, imports and extracts."""
    landscape = swath.home / "archive" / "landscape"
    swath("simulate", "--out", landscape, "--parcels", PARCELS, "--seed", 7, timeout_s=EXTRACTION_S)
    for collection in COLLECTIONS:
        scenes = landscape / "scenes" / collection
        swath(
            "items", "import", scenes, "--collection", collection, "--collection-file", scenes / "collection.json"
        )
    swath(
        "parcels", "import", landscape / "parcels.parquet", "--name", SET, "--id", "parcel_id",
        "--crop", "crop", "--crop-name", "crop_name", "--visibility", "public",
    )  # fmt: skip
    for collection in COLLECTIONS:
        classes = ["--classes", "SCL"] if collection.startswith("sentinel-2") else []
        swath("extract", "--collection", collection, "--parcels", SET, *classes, timeout_s=EXTRACTION_S)
    return Season(swath, landscape)


@contextmanager
def served(swath) -> Iterator[str]:
    """Serves the home on a free port; gives the address."""
    log = swath.home / "server.log"
    with log.open("wb") as stderr:
        process = swath.start("serve", "--port", "0", stdout=subprocess.DEVNULL, stderr=stderr)
        try:
            yield listening(log, process)
        finally:
            process.terminate()
            process.wait(timeout=STOP_S)
