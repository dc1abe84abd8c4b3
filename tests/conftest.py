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
# Files on the simulated season, which is made once.
SEASON_FILES = ("test_series", "test_cbm", "test_export", "test_random_requests")
# Files that do everything once for each value of a parameter.
SPLIT_FILES = {"test_stac_api": "kept", "test_season": "filled"}
# Files whose tests change what belongs to a whole server: the roles of pgSTAC.
ALONE_FILES = ("test_pgstac",)
# The long ones, which start first.
FIRST_FILES = (*SPLIT_FILES, "test_ingest", *SEASON_FILES, "test_flanders", "test_references", "test_simulate")


def group_of(item: pytest.Item) -> str | None:
    """The name of the tests that one worker of pytest-xdist has to run: those that stand on what was made once."""
    file = item.path.stem
    if file in SEASON_FILES:
        return "season"
    if file in SPLIT_FILES:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        return f"{file}-{parameters.get(SPLIT_FILES[file], '')}"
    fixtures = (one for same_name in item._fixtureinfo.name2fixturedefs.values() for one in same_name)
    shares = any(fixture.scope == "module" for fixture in fixtures)
    return file if shares or file in ALONE_FILES else None


# Before the plugin's own, which reads the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FIRST_FILES.index(item.path.stem) if item.path.stem in FIRST_FILES else len(FIRST_FILES))
    for item in items:
        if group := group_of(item):
            item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish(session: pytest.Session) -> None:
    # pytest 9.2 no longer takes the ids that pytest-xdist 3.8 gives, and the groups fell apart without a word.
    grouped = getattr(session.config.option, "loadgroup", False)
    apart = [item.nodeid for item in session.items if grouped and group_of(item) and "@" not in item.nodeid]
    if apart:
        raise pytest.UsageError(f"pytest-xdist does not keep groups of tests together, see {apart[0]}: another version of pytest?")


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
