#!/usr/bin/env python3
"""Asks a server for the paths of a file, as many clients do, and prints what came back as JSON.

    bench/load.py --port PORT --paths FILE --clients N [--passes N]

Each client keeps one connection and takes the next path that nobody has asked for yet, so that all paths are
asked for `passes` times, whatever the number of clients. It is a process of its own: its time is not the server's.
Every answer is read whole; what is not 200 is counted as failed.
"""
import argparse, asyncio, json, time
from pathlib import Path

HEADER_BYTES_MAX = 1 << 16


async def read_answer(reader):
    """Returns status and length of the body of one answer of HTTP/1.1, which is read and dropped."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lines = head.split("\r\n")
    status = int(lines[0].split(" ", 2)[1])
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if "content-length" in headers:
        return status, len(await reader.readexactly(int(headers["content-length"])))
    if headers.get("transfer-encoding", "").lower() != "chunked":
        raise ValueError(f"an answer without length: {head!r}")
    length = 0
    while size := int((await reader.readline()).split(b";")[0], 16):
        length += size
        await reader.readexactly(size + 2)
    await reader.readuntil(b"\r\n")
    return status, length


async def ask_on(port, paths, figures):
    """Takes paths until none is left; keeps seconds, bytes and failures."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=HEADER_BYTES_MAX)
    for path in paths:
        begin = time.perf_counter()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: image/png\r\n\r\n".encode())
        status, length = await read_answer(reader)
        figures["seconds"].append(time.perf_counter() - begin)
        figures["bytes"] += length
        figures["failed"] += status != 200
    writer.close()


async def load(port, paths, clients):
    figures = {"seconds": [], "bytes": 0, "failed": 0}
    begin = time.perf_counter()
    left = iter(paths)
    await asyncio.gather(*(ask_on(port, left, figures) for _ in range(clients)))
    wall = time.perf_counter() - begin
    times = sorted(figures["seconds"])
    count = len(times)
    return {"count": count, "wall_s": wall, "failed": figures["failed"], "bytes_each": figures["bytes"] / count,
            "p50_ms": times[count // 2] * 1e3, "p99_ms": times[count - 1 - count // 100] * 1e3}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--paths", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--passes", type=int, default=1)
    args = parser.parse_args()
    paths = args.paths.read_text().split("\n") * args.passes
    print(json.dumps(asyncio.run(load(args.port, paths, args.clients))))


if __name__ == "__main__":
    main()
