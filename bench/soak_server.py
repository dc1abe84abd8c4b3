#!/usr/bin/env python3
"""Sends random requests to every face of a served archive, and says what they cost and whether anything grows.

    bench/soak_server.py [--requests N] [--seed N] [--cpu-s S] [--map-cache MIB] [--only N] [--out DIR]

The same seed makes the same requests; `--only` sends one of them, to look at what went wrong. What is asked is in
tests/random_requests.py, what must hold in tests/soak.py. Exits with 1 where an answer was wrong, memory of the last tenth
is above 1.05 times that of the second, or more files are open after it.

The cache of decoded blocks is made so small (16 MiB) that the archive, which is small itself, fills it early: with 256 MiB it fills for half of
the requests, and what grows is what is meant to.
"""
from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

GROWTH_MAX = 1.05
MAP_CACHE_MIB = 16


def tell(part: int, outcome) -> None:
    """Says how far it is."""
    wrong = sum(outcome.failed.values())
    last = outcome.parts[-1]
    print(f"tenth {part + 1}: {outcome.requests} requests, {last.memory_mib:.0f} MiB, {last.open_files} open files, {wrong} wrong", file=sys.stderr, flush=True)


def report(outcome) -> bool:
    """Prints the figures; returns whether they hold."""
    answers = sum(outcome.statuses.values())
    print(f"{outcome.requests} requests, {outcome.dropped} of them dropped by the client, {outcome.twins} for private names; {answers} answers")
    print(f"by face: {dict(outcome.faces.most_common())}")
    print(f"by status: {dict(sorted(outcome.statuses.items()))}")
    print(f"{outcome.wall_s:.0f} s, {outcome.cpu_s:.0f} CPU s of the server, {outcome.cpu_s / outcome.requests * 1_000:.1f} ms a request")
    print(f"dearest answer asked for again by itself: {outcome.dearest[0]:.2f} CPU s for 4 Mi pixels or less: {outcome.dearest[1]}")
    print("memory by tenth, MiB: " + " ".join(f"{part.memory_mib:.0f}" for part in outcome.parts) + f"; last / second {outcome.growth():.3f}")
    least = [part.memory_min_mib for part in outcome.parts]
    print("least memory by tenth, MiB: " + " ".join(f"{mib:.0f}" for mib in least) + f"; last / second {least[-1] / least[1]:.3f}")
    print("open files after each tenth: " + " ".join(str(part.open_files) for part in outcome.parts))
    for kind, told in outcome.failures.items():
        print(f"WRONG {outcome.failed[kind]} x {kind}", *told, sep="\n    ")
    is_constant = outcome.parts[-1].open_files <= outcome.parts[1].open_files
    return not outcome.failures and outcome.growth() <= GROWTH_MAX and is_constant


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cpu-s", type=float, default=1.0, help="CPU that 4 Mi pixels may take, more for a program without optimisation")
    parser.add_argument("--map-cache", type=int, default=MAP_CACHE_MIB, help="what the server keeps of decoded blocks, MiB")
    parser.add_argument("--only", type=int, help="the number of the one request to send")
    parser.add_argument("--out", type=Path, help="a folder for the archive that stays")
    args = parser.parse_args()
    from bench import SWATH
    from conftest import Swath
    from random_requests import random_request
    from season import make_season
    from soak import Client, Soak, complete, fault_of, make_archive
    from stac_server import running

    with tempfile.TemporaryDirectory(prefix="swath-soak-") as scratch:
        folder = args.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        swath, archive = make_archive(make_season(Swath(SWATH, folder / "season")), folder / "home")
        with running(swath, "--map-cache", str(args.map_cache), log=folder / "server.log") as server:
            complete(archive, Client(server.url))
            if args.only is not None:
                request = random_request(archive, args.seed, args.only)
                client, clock = Client(server.url), Soak(server.url, server.process.pid, archive, args.seed).clock
                before = time.clock_gettime(clock)
                reply = client.send(request)
                cpu_s = time.clock_gettime(clock) - before
                print(request, f"status {reply.status}, {reply.kind}, {len(reply.body)} bytes: {reply.body[:300]!r}", fault_of(request, reply), f"{cpu_s:.2f} CPU s", sep="\n")
                return 0
            return 0 if report(Soak(server.url, server.process.pid, archive, args.seed, args.cpu_s).run(args.requests, tell)) else 1


if __name__ == "__main__":
    sys.exit(main())
