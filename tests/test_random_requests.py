"""Random requests to every face, several at once: a short form of bench/soak_server.py, which `make soak` runs."""

from __future__ import annotations

from soak import OPEN_FILES_MAX, Client, Soak, complete, make_archive
from stac_server import running

REQUESTS = 2_000
SEED = 4


def test_random_requests_are_answered_or_refused_as_they_should_be(season, tmp_path):
    swath, archive = make_archive(season, tmp_path / "home")
    with running(swath, log=tmp_path / "server.log") as server:
        complete(archive, Client(server.url))
        outcome = Soak(server.url, server.process.pid, archive, SEED).run(REQUESTS)
    assert outcome.failures == {}
    assert outcome.requests == REQUESTS and outcome.twins > REQUESTS / 50
    assert max(part.open_files for part in outcome.parts) <= OPEN_FILES_MAX
