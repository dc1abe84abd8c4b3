"""Fixtures of the acceptance tests: the real binary beside the reference programs of the field."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 120


@dataclass
class Outcome:
    """What one run of the program left behind."""

    code: int
    stdout: str
    stderr: str

    def json(self):
        return json.loads(self.stdout)


class Swath:
    """Runs the binary with its own data home."""

    def __init__(self, binary: Path, home: Path):
        self.binary = binary
        self.home = home

    def command(self, *args) -> list[str]:
        return [str(self.binary), *map(str, args)]

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SWATH_")}
        return {**kept, "SWATH_HOME": str(self.home)}

    def start(self, *args, **options) -> subprocess.Popen:
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(self.command(*args), env=self.environment(), **options)

    def run(self, *args, timeout_s: float = TIMEOUT_S, **options) -> Outcome:
        """Runs to the end, whatever the exit code."""
        done = subprocess.run(
            self.command(*args), env=self.environment(), capture_output=True, timeout=timeout_s, check=False, **options
        )
        return Outcome(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def __call__(self, *args, **options) -> Outcome:
        """Runs and expects success."""
        outcome = self.run(*args, **options)
        assert outcome.code == 0, f"{' '.join(self.command(*args))}\nexit {outcome.code}\n{outcome.stderr}"
        return outcome


@pytest.fixture(scope="session")
def binary() -> Path:
    path = Path(os.environ.get("SWATH_BIN", ROOT / "target" / "release" / "swath")).resolve()
    if not path.is_file():
        pytest.fail(f"{path} is not there: build it with `cargo build --release` or name one in SWATH_BIN")
    return path


@pytest.fixture(scope="session")
def swath_session(binary, tmp_path_factory) -> Swath:
    """The program with one data home for a whole session."""
    return Swath(binary, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def season(binary, tmp_path_factory):
    """A data home with a simulated season in extract tables; tests may add to it."""
    from season import make_season

    return make_season(Swath(binary, tmp_path_factory.mktemp("season")))


@pytest.fixture(scope="session")
def season_server(season) -> str:
    """The address of a server over that home."""
    from season import served

    with served(season.swath) as address:
        yield address


@pytest.fixture
def home(tmp_path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def swath(binary, home) -> Swath:
    """The program with a fresh data home."""
    return Swath(binary, home)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder that holds `data/` with the real rasters and parcels."""
    path = Path(os.environ.get("SWATH_SHARED", ROOT.parent / "shared"))
    if not (path / "data" / "rasters.csv").is_file():
        pytest.skip(f"skipped: {path}/data is not there; name the folder that holds data/ in SWATH_SHARED")
    return path


@pytest.fixture(scope="session")
def data(shared) -> Path:
    return shared / "data"
