"""Damaged, hostile and wrong input: an error that names the file, a documented exit code, nothing left behind."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import time
import zlib

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.enums import Resampling

import generate

USAGE, DATA, NOT_FOUND, STORAGE, LIMIT = 2, 3, 4, 5, 6
DOCUMENTED = {0, USAGE, DATA, NOT_FOUND, STORAGE, LIMIT}
MEMORY_BYTES_MAX = 3 << 30
SECONDS_MAX = 10


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def judge(swath, *args, name: str, folder=None, codes=DOCUMENTED):
    """Runs with bounded memory and time; returns why the outcome is not acceptable, or None."""
    before = set(os.listdir(folder)) if folder else set()
    command = " ".join(map(str, args))
    try:
        outcome = swath.run(*args, timeout_s=SECONDS_MAX, preexec_fn=limited)
    except subprocess.TimeoutExpired:
        return f"{command}: longer than {SECONDS_MAX} s"
    if outcome.code not in codes:
        return f"{command}: exit {outcome.code}: {outcome.stderr[-400:]}"
    if "panicked" in outcome.stderr or "bug in swath" in outcome.stderr:
        return f"{command}: {outcome.stderr[-400:]}"
    if outcome.code != 0:
        if name not in outcome.stderr:
            return f"{command}: the message does not name {name}: {outcome.stderr[-400:]}"
        # The journal of `extract` may stay: the same command goes on from it.
        left = {file for file in set(os.listdir(folder)) - before if not file.endswith(".partial")} if folder else set()
        if left:
            return f"{command}: exit {outcome.code} but left {left}"
    return None


@pytest.fixture(scope="module")
def small_parcels(tmp_path_factory):
    shapes = [shapely.Point(generate.WEST + 300 * i, generate.NORTH - 250 * i).buffer(220) for i in range(5)]
    frame = geopandas.GeoDataFrame({"parcel_id": list("abcde")}, geometry=shapes, crs=32632)
    path = tmp_path_factory.mktemp("parcels") / "parcels.parquet"
    frame.to_parquet(path)
    return path


def pixels(dtype="uint16", bands=2, size=130):
    return np.random.default_rng(0).integers(1, 90, (bands, size, size)).astype(dtype)


def fixture_tiles(path):
    generate.write_raster(path, pixels("float32"), nodata=0, blockxsize=64, blockysize=64, predictor=3)


def fixture_strips(path):
    generate.write_raster(path, pixels(), nodata=0, tiled=False, blockxsize=130, blockysize=9, compress="lzw", predictor=2)


def fixture_planar(path):
    generate.write_raster(path, pixels("int16", 3), interleave="band", blockxsize=64, blockysize=64, compress="zstd")


def fixture_big(path):
    generate.write_raster(path, pixels("float64", 1), BIGTIFF="YES", blockxsize=64, blockysize=64)


def fixture_packbits(path):
    generate.write_raster(path, pixels("uint8"), ENDIANNESS="BIG", compress="packbits", tiled=False, blockysize=20, blockxsize=130)


def fixture_plain(path):
    generate.write_raster(path, pixels("int32"), compress="none", blockxsize=64, blockysize=64)


def fixture_mask_and_overviews(path):
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        generate.write_raster(path, pixels("uint8", 3), blockxsize=64, blockysize=64, photometric="RGB")
        with rasterio.open(path, "r+") as raster:
            raster.write_mask(np.arange(130)[None, :] + np.zeros((130, 1)) > 30)
            raster.scales = (0.1, 0.2, 0.3)
            raster.descriptions = ("one", "two", "three")
            raster.build_overviews([2, 4], Resampling.nearest)


FIXTURES = {name.removeprefix("fixture_"): case for name, case in globals().items() if name.startswith("fixture_")}
SEEDS = 43


def mutate(raw: bytes, seed: int) -> bytes:
    """Cuts off, flips bits, fills with zeros or ones, or repeats a piece; mostly where the structure is."""
    random = np.random.default_rng(seed)
    data = bytearray(raw)
    kind = seed % 6
    head = min(len(data), 700)
    if kind == 0:
        return bytes(data[: int(random.integers(0, len(data)))])
    if kind == 1:
        for at in random.integers(0, head, 1 + seed % 4):
            data[at] ^= 1 << int(random.integers(0, 8))
    elif kind == 2:
        for at in random.integers(0, len(data), 12):
            data[at] ^= 1 << int(random.integers(0, 8))
    elif kind == 3:
        at = int(random.integers(4, head - 4))
        data[at : at + 4] = random.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80"])
    elif kind == 4:
        at, to = sorted(random.integers(0, len(data), 2))
        data[at:to] = bytes([int(random.integers(0, 256))]) * int(to - at)
    else:
        at = int(random.integers(0, head - 12))
        data[at : at + 12] = data[max(at - 12, 0) : max(at - 12, 0) + 12]
    return bytes(data)


@pytest.mark.parametrize("fixture", FIXTURES)
def test_damaged_rasters(swath, small_parcels, tmp_path, fixture):
    sound = tmp_path / "sound.tif"
    FIXTURES[fixture](sound)
    raw = sound.read_bytes()
    folder = tmp_path / "out"
    folder.mkdir()
    damaged = tmp_path / "damaged.tif"
    faults = []
    for seed in range(SEEDS):
        damaged.write_bytes(mutate(raw, seed))
        for command in (
            ["info", damaged, "--json"],
            ["zonal", damaged, "--parcels", small_parcels, "-o", folder / "out.csv", "--no-cache"],
            ["convert", damaged, folder / "out.tif", "--block", "64"],
        ):
            if fault := judge(swath, *command, name="damaged.tif", folder=folder):
                faults.append(f"seed {seed}: {fault}")
            for path in folder.iterdir():
                path.unlink()
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults[:8])


FORMATS = {"gpkg": "gpkg", "parquet": "parquet", "geojson": "geojson", "shp": "shp", "dbf": "shp", "shx": "shp", "zip": "zip"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_damaged_parcels(swath, small_parcels, tmp_path, suffix):
    frame = geopandas.read_parquet(small_parcels)
    folder = tmp_path / "sound"
    folder.mkdir()
    opened = folder / f"parcels.{FORMATS[suffix]}"
    if suffix == "parquet":
        frame.to_parquet(opened)
    elif suffix == "zip":
        frame.to_file(tmp_path / "parcels.shp")
        for path in tmp_path.glob("parcels.*"):
            subprocess.run(["python3", "-m", "zipfile", "-c", str(opened), *map(str, tmp_path.glob("parcels.*"))], check=True)
            break
    else:
        (frame.to_crs(4326) if suffix == "geojson" else frame).to_file(opened)
    damaged = folder / f"parcels.{suffix}"
    raw = damaged.read_bytes()
    faults = []
    for seed in range(SEEDS):
        damaged.write_bytes(mutate(raw, seed))
        if fault := judge(swath, "parcels", "check", opened, "--json", name="parcels."):
            faults.append(f"seed {seed}: {fault}")
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults[:8])


def test_damaged_items(swath, small_parcels, tmp_path):
    raster = generate.write_raster(tmp_path / "B04.tif", pixels(), nodata=0, blockxsize=64, blockysize=64)
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": "one", "links": [], "bbox": [9, 56, 10, 57],
        "geometry": {"type": "Polygon", "coordinates": [[[9, 56], [10, 56], [10, 57], [9, 57], [9, 56]]]},
        "properties": {"datetime": "2021-06-01T10:36:29Z"},
        "assets": {"B04": {"href": raster.name, "type": "image/tiff; application=geotiff", "roles": ["data"]}},
    }  # fmt: skip
    raw = json.dumps(item).encode()
    folder = tmp_path / "out"
    folder.mkdir()
    path = tmp_path / "item.json"
    command = ["extract", "--items", path, "--parcels", small_parcels, "-o", folder / "out.csv"]
    path.write_bytes(raw)
    faults = []
    for seed in range(SEEDS):
        path.write_bytes(mutate(raw, seed))
        if fault := judge(swath, *command, name="", folder=folder):
            faults.append(f"seed {seed}: {fault}")
        for left in folder.iterdir():
            left.unlink()
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults[:8])


# ---------------------------------------------------------------- TIFFs made by hand

BYTE, ASCII, SHORT, LONG, DOUBLE = 1, 2, 3, 4, 12
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES = 256, 257, 258, 259, 262, 277
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
PACK = {BYTE: "B", SHORT: "H", LONG: "I", DOUBLE: "d"}


def tiff(tags: dict[int, tuple[int, list]], body: bytes = b"", next_ifd: int = 0) -> bytes:
    """One page: header, directory, values, then `body`; `None` in the tile offsets is where the body starts."""
    directory_bytes = 2 + 12 * len(tags) + 4
    values, entries = b"", b""
    sizes = {tag: struct.calcsize("<" + PACK[kind] * len(content)) for tag, (kind, content) in tags.items()}
    body_at = 8 + directory_bytes + sum(size for size in sizes.values() if size > 4)
    for tag, (kind, content) in sorted(tags.items()):
        packed = struct.pack("<" + PACK[kind] * len(content), *[body_at if value is None else value for value in content])
        if len(packed) > 4:
            entries += struct.pack("<HHII", tag, kind, len(content), 8 + directory_bytes + len(values))
            values += packed
        else:
            entries += struct.pack("<HHI", tag, kind, len(content)) + packed.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", next_ifd) + values + body


def page(width, height, tile=64, compression=8, block=b"", tiles=None, samples=1, bits=8):
    tiles = tiles if tiles is not None else 1
    return {
        WIDTH: (LONG, [width]), HEIGHT: (LONG, [height]), BITS: (SHORT, [bits] * samples), COMPRESSION: (SHORT, [compression]),
        PHOTOMETRIC: (SHORT, [1]), SAMPLES: (SHORT, [samples]), TILE_WIDTH: (LONG, [tile]), TILE_HEIGHT: (LONG, [tile]),
        TILE_OFFSETS: (LONG, [None] * tiles), TILE_BYTES: (LONG, [len(block)] * tiles),
        33550: (DOUBLE, [10.0, 10.0, 0.0]), 33922: (DOUBLE, [0, 0, 0, generate.WEST, generate.NORTH, 0]),
        34735: (SHORT, [1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32632]),
    }  # fmt: skip


def bomb(kind):
    flat = zlib.compress(bytes(64 * 64), 9)
    if kind == "sound":
        return tiff(page(64, 64, block=flat), flat)
    if kind == "absurd size":
        return tiff(page(2**31 - 1, 2**31 - 1, block=flat), flat)
    if kind == "absurd block":
        return tiff(page(2**20, 2**20, tile=2**20, block=flat), flat)
    if kind == "absurd bands":
        return tiff(page(64, 64, block=flat) | {SAMPLES: (SHORT, [65535])}, flat)
    if kind == "no size":
        return tiff(page(0, 0, block=flat), flat)
    if kind == "no block":
        return tiff(page(64, 64, tile=0, block=flat), flat)
    if kind == "deflate bomb":
        block = zlib.compress(bytes(1 << 30), 9)
        return tiff(page(64, 64, block=block), block)
    if kind == "large deflate bomb":
        block = zlib.compress(bytes(1 << 26), 9)
        return tiff(page(8192, 8192, tile=8192, block=block), block)
    if kind == "bytes beyond the end":
        return tiff(page(64, 64, block=flat) | {TILE_BYTES: (LONG, [2**32 - 1])}, flat)
    if kind == "offset beyond the end":
        return tiff(page(64, 64, block=flat) | {TILE_OFFSETS: (LONG, [2**32 - 2])}, flat)
    if kind == "cyclic pages":
        return tiff(page(64, 64, block=flat), flat, next_ifd=8)
    if kind == "page in itself":
        return tiff(page(64, 64, block=flat), flat, next_ifd=9)
    if kind == "tags beyond the end":
        return tiff(page(64, 64, block=flat), flat)[:60]
    if kind == "many tags":
        return b"II*\0" + struct.pack("<IH", 8, 65535)
    if kind == "count beyond memory":
        raw = bytearray(tiff(page(64, 64, block=flat), flat))
        at = raw.index(struct.pack("<HH", TILE_OFFSETS, LONG))
        raw[at + 4 : at + 8] = struct.pack("<I", 2**32 - 1)
        return bytes(raw)
    raise ValueError(kind)


BOMBS = [
    "absurd size", "absurd block", "absurd bands", "no size", "no block", "deflate bomb", "large deflate bomb",
    "bytes beyond the end", "offset beyond the end", "cyclic pages", "page in itself", "tags beyond the end", "many tags",
    "count beyond memory",
]  # fmt: skip


def test_the_sound_one_is_read(swath, small_parcels, tmp_path):
    path = tmp_path / "sound.tif"
    path.write_bytes(bomb("sound"))
    with rasterio.open(path) as raster:
        assert raster.crs.to_epsg() == 32632 and (raster.read() == 0).all()
    swath("zonal", path, "--parcels", small_parcels, "-o", tmp_path / "out.csv")


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs(swath, small_parcels, tmp_path, kind):
    path = tmp_path / "bomb.tif"
    path.write_bytes(bomb(kind))
    folder = tmp_path / "out"
    folder.mkdir()
    may_pass = {"cyclic pages", "page in itself", "deflate bomb", "large deflate bomb"}
    faults = []
    for command in (
        ["info", path, "--json"],
        ["zonal", path, "--parcels", small_parcels, "-o", folder / "out.csv"],
        ["convert", path, folder / "out.tif"],
    ):
        codes = DOCUMENTED
        if command[0] != "info" and kind not in may_pass and not (kind == "absurd size" and command[0] == "zonal"):
            codes = {USAGE, DATA, LIMIT}
        if fault := judge(swath, *command, name="bomb.tif", folder=folder, codes=codes):
            faults.append(fault)
        for left in folder.iterdir():
            left.unlink()
    assert not faults, "\n".join(faults)


# ---------------------------------------------------------------- wrong, but not damaged


def refuse(swath, *args, code, words, folder=None):
    before = set(os.listdir(folder)) if folder else set()
    outcome = swath.run(*args, timeout_s=60)
    codes = code if isinstance(code, set) else {code}
    assert outcome.code in codes, f"exit {outcome.code}, expected {codes}: {outcome.stderr}"
    assert outcome.stderr.startswith("error: ") or "\nerror: " in outcome.stderr, outcome.stderr
    for word in words:
        assert word.lower() in outcome.stderr.lower(), f"{word!r} is not in: {outcome.stderr}"
    if folder:
        assert set(os.listdir(folder)) == before
    return outcome


@pytest.fixture
def tile(tmp_path):
    return generate.write_raster(tmp_path / "tile.tif", pixels(), nodata=0, blockxsize=64, blockysize=64)


def test_datum_without_a_known_shift(swath, small_parcels, tmp_path):
    """NAD27 over Denmark: no entry in any table."""
    raster = generate.write_raster(tmp_path / "far.tif", pixels(), crs="EPSG:4267", blockxsize=64, blockysize=64)
    words = ["far.tif", "shift"]
    refuse(swath, "zonal", raster, "--parcels", small_parcels, "-o", tmp_path / "out.csv", code=DATA, words=words, folder=tmp_path)


def test_raster_without_crs(swath, small_parcels, tmp_path):
    raster = generate.write_raster(tmp_path / "nowhere.tif", pixels(), crs=None, blockxsize=64, blockysize=64)
    words = ["nowhere.tif", "coordinate reference system"]
    refuse(swath, "zonal", raster, "--parcels", small_parcels, "-o", tmp_path / "out.csv", code=DATA, words=words, folder=tmp_path)


def test_raster_without_transform(swath, small_parcels, tmp_path):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raster = generate.write_raster(tmp_path / "loose.tif", pixels(), transform=None, crs=None, blockxsize=64, blockysize=64)
    refuse(swath, "zonal", raster, "--parcels", small_parcels, "-o", tmp_path / "out.csv", code=DATA, words=["loose.tif"], folder=tmp_path)


def test_parcels_without_crs(swath, tile, small_parcels, tmp_path):
    frame = geopandas.read_parquet(small_parcels).set_crs(None, allow_override=True)
    frame.to_file(tmp_path / "loose.shp")
    command = ["zonal", tile, "--parcels", tmp_path / "loose.shp", "-o", tmp_path / "out.csv"]
    refuse(swath, *command, code={USAGE, DATA}, words=["loose.shp", "--crs"], folder=tmp_path)
    swath(*command, "--crs", "EPSG:32632")


def test_parcels_without_ids(swath, tile, small_parcels, tmp_path):
    frame = geopandas.read_parquet(small_parcels).rename(columns={"parcel_id": "name"})
    frame.to_parquet(tmp_path / "unnamed.parquet")
    command = ["zonal", tile, "--parcels", tmp_path / "unnamed.parquet", "-o", tmp_path / "out.csv"]
    refuse(swath, *command, code={USAGE, DATA}, words=["unnamed.parquet", "--id", "name"], folder=tmp_path)
    refuse(swath, *command, "--id", "nam", code={USAGE, DATA}, words=["nam", "name"], folder=tmp_path)
    swath(*command, "--id", "name")


def test_missing_files(swath, tile, small_parcels, tmp_path):
    out = ["-o", tmp_path / "out.csv"]
    nothing = tmp_path / "nothing.tif"
    refuse(swath, "info", nothing, code=NOT_FOUND, words=["nothing.tif"])
    refuse(swath, "convert", nothing, tmp_path / "out.tif", code=NOT_FOUND, words=["nothing.tif"], folder=tmp_path)
    refuse(swath, "zonal", nothing, "--parcels", small_parcels, *out, code=NOT_FOUND, words=["nothing.tif"], folder=tmp_path)
    refuse(swath, "zonal", tile, "--parcels", tmp_path / "no.gpkg", *out, code=NOT_FOUND, words=["no.gpkg"], folder=tmp_path)
    refuse(swath, "extract", "--items", tmp_path / "no", "--parcels", small_parcels, *out, code=NOT_FOUND, words=["no"], folder=tmp_path)
    refuse(swath, "parcels", "check", tmp_path / "no.shp", code=NOT_FOUND, words=["no.shp"])
    refuse(swath, "zonal", tile, "--parcels", small_parcels, "--mask", f"{nothing}=1", *out, code=NOT_FOUND, words=["nothing.tif"], folder=tmp_path)


def test_a_folder_is_no_raster(swath, small_parcels, tmp_path):
    folder = tmp_path / "folder.tif"
    folder.mkdir()
    refuse(swath, "info", folder, code={USAGE, DATA, NOT_FOUND}, words=["folder.tif"])


def test_a_folder_without_rasters(swath, small_parcels, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    outcome = swath.run("extract", "--items", folder, "--parcels", small_parcels, "-o", tmp_path / "out.parquet")
    assert outcome.code == NOT_FOUND, outcome
    assert "neither a STAC item nor a GeoTIFF" in outcome.stderr, outcome.stderr


WRONG_USAGE = {
    "nothing": [],
    "unknown command": ["zonl"],
    "unknown option": ["info", "x.tif", "--jsn"],
    "no parcels": ["zonal", "TILE", "-o", "OUT.csv"],
    "no output": ["zonal", "TILE", "--parcels", "PARCELS"],
    "unknown extension": ["zonal", "TILE", "--parcels", "PARCELS", "-o", "OUT.xlsx"],
    "unknown coverage": ["zonal", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--coverage", "touched"],
    "unknown statistic": ["zonal", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--stats", "mean,mode"],
    "unknown band": ["zonal", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--bands", "B04"],
    "band out of range": ["zonal", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--bands", "3"],
    "band zero": ["zonal", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--bands", "0"],
    "unknown class band": ["zonal", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--classes", "9"],
    "mask without classes": ["zonal", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--mask", "TILE"],
    "mask of words": ["zonal", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--mask", "TILE=cloud"],
    "mask of an absent band": ["zonal", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--mask", "TILE:7=1"],
    "buffer of words": ["zonal", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--buffer", "ten"],
    "endless buffer": ["zonal", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--buffer", "inf"],
    "no threads": ["--threads", "0", "info", "TILE"],
    "no memory": ["zonal", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--memory", "1"],
    "unknown crs": ["zonal", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--parcels-crs", "EPSG:999999"],
    "unknown layer": ["zonal", "TILE", "--parcels", "PARCELS.gpkg", "-o", "OUT.csv", "--layer", "none"],
    "time backwards": ["extract", "--items", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--datetime", "2021-02-01/2020-01-01"],
    "no time": ["extract", "--items", "TILE", "--parcels", "PARCELS", "-o", "OUT.csv", "--datetime", "soon"],
    "store without a name": ["info", "nowhere:some/key.tif"],
}


@pytest.mark.parametrize("name", WRONG_USAGE)
def test_wrong_usage(swath, tile, small_parcels, tmp_path, name):
    geopandas.read_parquet(small_parcels).to_file(tmp_path / "parcels.gpkg")
    words = {"TILE": tile, "PARCELS": small_parcels, "PARCELS.gpkg": tmp_path / "parcels.gpkg"}
    (tmp_path / "out").mkdir()
    args = []
    for arg in WRONG_USAGE[name]:
        if arg.startswith("OUT"):
            arg = tmp_path / "out" / arg
        elif arg.startswith("TILE"):
            arg = str(tile) + arg.removeprefix("TILE")
        args.append(words.get(arg, arg))
    outcome = swath.run(*args)
    allowed = {USAGE, NOT_FOUND} if name in ("unknown layer", "store without a name") else {USAGE}
    assert outcome.code in allowed, outcome
    assert outcome.stderr and not outcome.stdout
    assert os.listdir(tmp_path / "out") == []


def test_unknown_keys_in_the_configuration(swath, tile, tmp_path):
    path = tmp_path / "swath.toml"
    for text in ("colour = 1\n", "[stores.x]\nurl = 5\n", "not toml", "[stores.x]\nprefix = 's3://a'\nsecret_key = 'abc'\n"):
        path.write_text(text)
        outcome = refuse(swath, "--config", path, "info", tile, code={USAGE, DATA}, words=["swath.toml"])
        assert "abc" not in outcome.stderr, "secrets are not repeated"
    refuse(swath, "--config", tmp_path / "none.toml", "info", tile, code={USAGE, NOT_FOUND}, words=["none.toml"])


# ---------------------------------------------------------------- where it is written to


@pytest.mark.parametrize("place", ["no folder", "file as folder", "not allowed"])
def test_unwritable_output(swath, tile, small_parcels, tmp_path, place):
    (tmp_path / "file").write_text("x")
    folder = {"no folder": tmp_path / "none", "file as folder": tmp_path / "file", "not allowed": "/proc/self"}[place]
    code = {USAGE, NOT_FOUND, STORAGE}
    for command in (
        ["zonal", tile, "--parcels", small_parcels, "-o", f"{folder}/out.parquet"],
        ["extract", "--items", tile, "--parcels", small_parcels, "--date-pattern", "tile", "-o", f"{folder}/out.parquet"],
        ["convert", tile, f"{folder}/out.tif"],
    ):
        if command[0] == "extract":
            # The name has no date: whichever is said first, nothing may be there.
            outcome = swath.run(*command)
            assert outcome.code in code | {DATA}, outcome
            continue
        refuse(swath, *command, code=code, words=[str(folder)], folder=tmp_path)
    assert (tmp_path / "file").read_text() == "x"


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("skipped: mounting a small file system needs more rights")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("command", ["zonal", "zonal csv", "convert", "extract", "simulate"])
def test_full_disk(swath, tiny_disk, tmp_path, command):
    raster = generate.write_raster(
        tmp_path / "tile.tif", np.random.default_rng(0).normal(size=(2, 600, 600)).astype("float32"), nodata=0,
        blockxsize=256, blockysize=256,
    )  # fmt: skip
    frame = generate.parcels(2000, size=600)
    frame.to_parquet(tmp_path / "parcels.parquet")
    with rasterio.open(raster, "r+") as opened:
        opened.update_tags(datetime="2021-06-01T10:00:00Z")
    args = {
        "zonal": ["zonal", raster, "--parcels", tmp_path / "parcels.parquet", "-o", tiny_disk / "out.parquet"],
        "zonal csv": ["zonal", raster, "--parcels", tmp_path / "parcels.parquet", "-o", tiny_disk / "out.csv"],
        "extract": ["extract", "--items", raster, "--parcels", tmp_path / "parcels.parquet", "-o", tiny_disk / "out.parquet"],
        "convert": ["convert", raster, tiny_disk / "out.tif"],
        "simulate": ["simulate", "--parcels", "30", "--out", tiny_disk / "land"],
    }[command]
    outcome = swath.run(*args)
    assert outcome.code == STORAGE, outcome
    assert str(tiny_disk) in outcome.stderr and "space" in outcome.stderr.lower(), outcome.stderr
    left = [path for path in tiny_disk.rglob("*") if path.is_file()]
    if command == "simulate":
        assert not any(path.suffix == ".tmp" for path in left)
    else:
        # The journal of `extract` may stay: the same command goes on from it.
        assert [path for path in left if path.name != "out.parquet.partial"] == []


def test_full_disk_for_the_cache_costs_only_work(binary, tiny_disk, tmp_path):
    """The data home is full: the coverage cannot be kept, the result is the same."""
    from conftest import Swath

    raster = generate.write_raster(tmp_path / "tile.tif", pixels("uint16", 1, 600), nodata=0, blockxsize=256, blockysize=256)
    generate.parcels(2000, size=600).to_parquet(tmp_path / "parcels.parquet")
    command = ["zonal", raster, "--parcels", tmp_path / "parcels.parquet", "-o"]
    Swath(binary, tiny_disk / "home")(*command, tmp_path / "a.csv")
    Swath(binary, tmp_path / "home")(*command, tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_damaged_cache_costs_only_work(swath, tile, small_parcels, tmp_path):
    command = ["zonal", tile, "--parcels", small_parcels, "-o"]
    swath(*command, tmp_path / "a.csv")
    kept = [path for path in swath.home.rglob("*") if path.is_file()]
    assert kept, "coverage is kept"
    for seed in range(12):
        for path in kept:
            raw = path.read_bytes()
            path.write_bytes(mutate(raw.ljust(800, b"\0"), seed))
        swath(*command, tmp_path / "b.csv")
        assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes(), seed


@pytest.mark.parametrize("command", ["zonal", "convert"])
def test_interrupt_leaves_nothing(swath, tmp_path, command):
    raster = generate.write_raster(tmp_path / "tile.tif", generate.backscatter(1500), nodata=0)
    generate.parcels(1500).to_parquet(tmp_path / "parcels.parquet")
    folder = tmp_path / "out"
    folder.mkdir()
    args = {
        "zonal": ["zonal", raster, "--parcels", tmp_path / "parcels.parquet", "-o", folder / "out.parquet", "--no-cache"],
        "convert": ["convert", raster, folder / "out.tif", "--compress", "deflate", "--level", "12"],
    }[command]
    process = swath.start(*args, "--threads", "1")
    deadline = time.monotonic() + 30
    # Convert shows by its unfinished file that it is under way; zonal has none until the end.
    while process.poll() is None and time.monotonic() < deadline:
        if os.listdir(folder) or command == "zonal":
            break
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    if process.returncode == 0:
        return
    assert process.returncode in (130, -signal.SIGINT), (process.returncode, stderr)
    assert os.listdir(folder) == []


def test_failed_run_keeps_the_output_of_the_one_before(swath, tile, small_parcels, tmp_path):
    output = tmp_path / "out.csv"
    swath("zonal", tile, "--parcels", small_parcels, "-o", output)
    before = output.read_bytes()
    raw = tile.read_bytes()
    tile.write_bytes(raw[: len(raw) // 2])
    outcome = swath.run("zonal", tile, "--parcels", small_parcels, "-o", output)
    assert outcome.code == DATA, outcome
    assert output.read_bytes() == before


def test_a_damaged_item_is_told_and_the_rest_measured(swath, data, tmp_path):
    season = data / "timeseries-chips" / "flanders-2018-patchA"
    folder = tmp_path / "items"
    folder.mkdir()
    for path in sorted((season / "s1_20m").glob("*.tif"))[:6]:
        shutil.copyfile(path, folder / path.name)
    victim = sorted(folder.iterdir())[2]
    victim.write_bytes(victim.read_bytes()[:500])
    parcels = season / "parcels_from_labels.gpkg"
    outcome = swath.run("extract", "--items", folder, "--parcels", parcels, "-o", tmp_path / "out.parquet", "--json")
    assert outcome.code == DATA, outcome
    report = outcome.json()
    assert [skipped["name"] for skipped in report["skipped"]] == [victim.stem]
    assert report["rows"] == 5 * 2 * 16
    again = swath.run("extract", "--items", folder, "--parcels", parcels, "-o", tmp_path / "out.parquet")
    assert again.code == DATA and victim.stem in again.stderr, again.stderr
