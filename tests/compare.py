"""How tables are read and compared."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

STATISTICS = ["count", "mean", "stdev", "min", "max", "p25", "p50", "p75"]


def read_table(path) -> pd.DataFrame:
    """Reads an output of the program, whatever its format; `parcel_id` stays text."""
    path = str(path)
    if path.endswith(".parquet"):
        return pd.read_parquet(path)
    if path.endswith(".csv"):
        return pd.read_csv(path, dtype={"parcel_id": str, "item_id": str, "band": str}, float_precision="round_trip")
    with open(path, encoding="utf-8") as file:
        return pd.DataFrame(json.load(file))


def deviation(ours, theirs, scale) -> np.ndarray:
    """Returns |a-b| relative to max(|b|, scale); nulls on one side only count as infinite."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    size = np.maximum(np.abs(theirs), scale)
    with np.errstate(invalid="ignore", divide="ignore"):
        result = np.where(ours == theirs, 0.0, np.abs(ours - theirs) / np.where(size == 0, 1.0, size))
    result[np.isnan(ours) & np.isnan(theirs)] = 0.0
    result[np.isnan(ours) ^ np.isnan(theirs)] = np.inf
    return result


def assert_close(ours, theirs, scale, tolerance, what, names=None):
    """Fails with the worst rows where a deviation is above `tolerance`."""
    off = deviation(ours, theirs, scale)
    bad = np.flatnonzero(~(off <= tolerance))
    if len(bad):
        worst = bad[np.argsort(-off[bad])[:5]]
        rows = [
            f"row {i}{'' if names is None else ' ' + str(names[i])}: "
            f"got {np.asarray(ours)[i]!r}, expected {np.asarray(theirs)[i]!r} (off by {off[i]:.3g})"
            for i in worst
        ]
        raise AssertionError(f"{what}: {len(bad)} of {len(off)} differ by more than {tolerance:g}\n" + "\n".join(rows))


def assert_same_bits(a: pd.DataFrame, b: pd.DataFrame):
    """Fails unless two tables have the same columns, rows and bits."""
    assert list(a.columns) == list(b.columns)
    assert len(a) == len(b)
    for column in a.columns:
        left, right = a[column], b[column]
        if left.dtype.kind == "f":
            same = left.to_numpy().view(np.uint64) == right.to_numpy().view(np.uint64)
            same |= left.isna().to_numpy() & right.isna().to_numpy()
        else:
            same = (left == right).to_numpy() | (left.isna() & right.isna()).to_numpy()
        assert same.all(), f"{column}: {(~same).sum()} of {len(same)} differ, first at row {np.flatnonzero(~same)[0]}"
