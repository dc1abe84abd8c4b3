"""PostgreSQL with PostGIS for tests: the one that is named, or one that is started for them."""

from __future__ import annotations

import os
import subprocess
import urllib.parse
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def server() -> str:
    """The URL of a database of the server; skips the test where there is none."""
    if url := os.environ.get("SWATH_TEST_POSTGRES"):
        return url
    done = subprocess.run([ROOT / "scripts/services/postgis.sh", "up"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"skipped: PostgreSQL with PostGIS: {done.stderr.strip()}")
    return done.stdout.strip()


@contextmanager
def database(name: str):
    """The URL of a database of its own, which is gone afterwards."""
    psycopg = pytest.importorskip("psycopg", reason="skipped: psycopg, which comes with pypgstac, is not installed")
    url = server()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield urllib.parse.urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
