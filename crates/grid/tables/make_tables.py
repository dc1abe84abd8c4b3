"""Writes the tables of this folder from the `proj.db` that pyproj ships.

Facts only (codes, names, numbers) of the EPSG dataset and of ESRI's world projections.
Run: `python make_tables.py FOLDER` with pyproj installed; see docs/projections.md.
"""

import math
import sqlite3
import sys
from pathlib import Path

import pyproj

OUT = Path(sys.argv[1])
DB = sqlite3.connect(Path(pyproj.datadir.get_data_dir()) / "proj.db")


def rows(sql: str, *args: object) -> list[tuple]:
    """Returns the rows with every whole number (a code) as text."""
    return [tuple(str(v) if isinstance(v, int) else v for v in row) for row in DB.execute(sql, args)]


UNITS = {(a, c): (f, n) for a, c, f, n in rows("select auth_name, code, conv_factor, name from unit_of_measure")}
# Sexagesimal DMS packs degrees, minutes and seconds in one decimal number.
DMS = "9110"


def number(value: float) -> str:
    text = repr(float(f"{value:.15g}"))
    return text.removesuffix(".0")


def degrees(value: float, unit: str) -> float:
    if unit == DMS:
        sign, value = math.copysign(1, value), abs(value)
        text = f"{value:.10f}"
        whole, rest = text.split(".")
        return sign * (int(whole) + int(rest[:2]) / 60 + float(rest[2:4] + "." + rest[4:]) / 3600)
    return value if unit in ("9102", "9122") else math.degrees(value * UNITS["EPSG", unit][0])


def metres(value: float, unit: tuple[str, str]) -> float:
    return value * UNITS[unit][0]


def write(name: str, header: str, lines: list[str]) -> None:
    (OUT / name).write_text("\n".join([f"# {header}", *lines]) + "\n", encoding="utf-8")
    print(name, len(lines), (OUT / name).stat().st_size)


AREA = {}
for table, auth, code, south, north, west, east in rows(
    "select object_table_name, object_auth_name, object_code, south_lat, north_lat, west_lon, east_lon "
    "from usage join extent on extent_auth_name = extent.auth_name and extent_code = extent.code"
):
    if south is not None:
        AREA.setdefault((table, auth, code), (west, south, east, north))

# Slovakia has systems of its own (JTSK03); the common ones are Czechia's in practice, and only so
# can the right one of the two countries' shifts be chosen.
for czech in ("5513", "5514", "2065", "5221"):
    AREA["projected_crs", "EPSG", czech] = (12.09, 48.58, 18.86, 51.06)


def area(table: str, auth: str, code: str) -> str:
    box = AREA.get((table, auth, code), (-180, -90, 180, 90))
    return " ".join(number(round(v, 2)) for v in box)


# --- ellipsoids, prime meridians, datums, geographic CRSs -------------------------------------
lines = []
for code, name, a, unit, rf, b in rows(
    "select code, name, semi_major_axis, uom_code, inv_flattening, semi_minor_axis from ellipsoid "
    "where auth_name = 'EPSG' order by cast(code as int)"
):
    factor = UNITS["EPSG", unit][0]
    if rf is None:
        rf = 0 if a == b else a / (a - b)
    lines.append(f"{code}|{name}|{number(a * factor)}|{number(rf)}")
write("ellipsoids.txt", "EPSG code|name|semi-major axis, metre|inverse flattening (0 = sphere)", lines)

lines = [
    f"{code}|{name}|{number(degrees(lon, unit))}"
    for code, name, lon, unit in rows(
        "select code, name, longitude, uom_code from prime_meridian where auth_name = 'EPSG' order by cast(code as int)"
    )
]
write("meridians.txt", "EPSG code|name|degrees east of Greenwich", lines)

# A datum whose positions count as those of another: a member of an ensemble, or the same
# network counted from another prime meridian.
twin = {}
for ensemble, member in rows(
    "select ensemble_code, member_code from geodetic_datum_ensemble_member "
    "where ensemble_auth_name = 'EPSG' and member_auth_name = 'EPSG'"
):
    twin[member] = ensemble
datum_of = {
    (a, c): d for a, c, d in rows("select auth_name, code, datum_code from geodetic_crs where datum_auth_name = 'EPSG'")
}
for s, t in rows(
    "select source_crs_code, target_crs_code from other_transformation "
    "where method_code = '9601' and source_crs_auth_name = 'EPSG' and deprecated = 0"
):
    twin.setdefault(datum_of["EPSG", s], datum_of["EPSG", t])
esri = {
    code: alias for code, alias in rows(
        "select code, alt_name from alias_name where table_name = 'geodetic_datum' and auth_name = 'EPSG' and source = 'ESRI'"
    )
}
lines = [
    f"{code}|{name}|{ellipsoid}|{meridian}|{twin.get(code, '')}|{esri.get(code, '')}"
    for code, name, ellipsoid, meridian in rows(
        "select code, name, ellipsoid_code, prime_meridian_code from geodetic_datum "
        "where auth_name = 'EPSG' order by cast(code as int)"
    )
]
write("datums.txt", "EPSG code|name|ellipsoid|prime meridian|datum with the same positions|name in ESRI's WKT", lines)

lines = []
for (code,) in rows(
    "select code from coordinate_system where auth_name = 'EPSG' and type in ('Cartesian', 'ellipsoidal') "
    "and dimension in (2, 3) order by cast(code as int)"
):
    axes = rows(
        "select name, abbrev, orientation, uom_code from axis where coordinate_system_auth_name = 'EPSG' "
        "and coordinate_system_code = ? order by coordinate_system_order limit 2", code,
    )
    # Degrees, minutes and seconds in words are a way to write degrees.
    unit = "9122" if axes[0][3] in ("9107", "9108", "9110") else axes[0][3]
    lines.append(f"{code}|{unit}|" + "|".join(f"{n}|{a}|{o}" for n, a, o, _ in axes))
write("systems.txt", "EPSG coordinate system|unit|first axis: name|abbreviation|direction|second axis: name|abbreviation|direction", lines)

lines = []
for code, name, cs, datum, deprecated, kind in rows(
    "select code, name, coordinate_system_code, datum_code, deprecated, type from geodetic_crs where auth_name = 'EPSG' "
    "and type like 'geographic%' and text_definition is null order by cast(code as int)"
):
    lines.append(f"{code}|{name}|{datum}|{cs}|{'d' if deprecated == '1' else ''}{'3' if kind == 'geographic 3D' else ''}|{area('geodetic_crs', 'EPSG', code)}")
write("geographic.txt", "EPSG code|name|datum|coordinate system|d = deprecated, 3 = with height|west south east north", lines)

# --- projected CRSs ---------------------------------------------------------------------------
COLUMNS = ", ".join(
    f"k.param{i}_code, k.param{i}_value, k.param{i}_uom_auth_name, k.param{i}_uom_code" for i in range(1, 8)
)
METHOD = {"SINUSOIDAL": "sinu", "MOLLWEIDE": "moll", "ROBINSON": "robin"}
PARAM = {
    "LON_0": "8802", "FE": "8806", "FN": "8807", "false_easting": "8806", "false_northing": "8807",
    "longitude_of_center": "8802", "central_meridian": "8802", "LONGITUDE_OF_NATURAL_ORIGIN": "8802",
}


def projected(auth: str, condition: str) -> list[str]:
    out = []
    for row in rows(
        "select p.code, p.name, p.coordinate_system_auth_name, p.coordinate_system_code, p.geodetic_crs_auth_name, "
        "p.geodetic_crs_code, p.deprecated, k.method_auth_name, k.method_code, k.method_name, " + COLUMNS + " "
        "from projected_crs p join conversion k on p.conversion_auth_name = k.auth_name "
        f"and p.conversion_code = k.code where p.auth_name = ? and {condition} order by cast(p.code as int)", auth,
    ):
        code, name, cs_auth, cs, base_auth, base, deprecated, method_auth, method, method_name = row[:10]
        if base_auth != "EPSG":
            continue
        if cs_auth != "EPSG":
            unit = rows(
                "select uom_code from axis where coordinate_system_auth_name=? and coordinate_system_code=?", cs_auth, cs,
            )[0][0]
            cs = {"9001": "4400"}.get(unit)
            if cs is None:
                continue
        if method_auth != "EPSG":
            if method_name not in ("Sinusoidal", "Mollweide", "Robinson"):
                continue
            method = {"Sinusoidal": "sinu", "Mollweide": "moll", "Robinson": "robin"}[method_name]
        params = []
        for i in range(7):
            pcode, value, uauth, ucode = row[10 + 4 * i : 14 + 4 * i]
            if pcode is None:
                continue
            pcode = PARAM.get(pcode, pcode)
            kind = rows("select type from unit_of_measure where auth_name=? and code=?", uauth, ucode)[0][0]
            if kind == "angle":
                value = degrees(value, ucode)
            elif kind == "length":
                value = metres(value, (uauth, ucode))
            params.append(f"{pcode}={number(value)}")
        flag = "d" if deprecated == "1" else ""
        out.append(
            f"{code}|{name}|{base}|{method}|{' '.join(params)}|{cs}|{flag}|{area('projected_crs', auth, code)}"
        )
    return out


HEADER = "code|name|geographic CRS|method|parameter=value (degree, metre)|coordinate system|d = deprecated|west south east north"
write("projected.txt", "EPSG " + HEADER, projected("EPSG", "1"))
# ESRI's world projections stand in proj.db as texts only.
WORLD = [
    "54001|World_Plate_Carree|4326|1028|8823=0 8802=0 8806=0 8807=0",
    "54004|World_Mercator|4326|9805|8823=0 8802=0 8806=0 8807=0",
    "54008|World_Sinusoidal|4326|sinu|8802=0 8806=0 8807=0",
    "54009|World_Mollweide|4326|moll|8802=0 8806=0 8807=0",
    "54030|World_Robinson|4326|robin|8802=0 8806=0 8807=0",
    "54034|World_Cylindrical_Equal_Area|4326|9835|8823=0 8802=0 8806=0 8807=0",
]
esri_rows = [f"{line}|4400||-180 -90 180 90" for line in WORLD]
esri_rows += projected("ESRI", "(cast(p.code as int) between 53000 and 54999 or cast(p.code as int) between 102001 and 102040)")
esri_rows = list({int(line.split("|")[0]): line for line in reversed(esri_rows)}.items())
write("esri.txt", "ESRI " + HEADER, [line for _, line in sorted(esri_rows)])

lines = [
    f"{code}|{name}|{horizontal}|{vertical}"
    for code, name, horizontal, vertical in rows(
        "select code, name, horiz_crs_code, vertical_crs_code from compound_crs where auth_name = 'EPSG' and horiz_crs_auth_name='EPSG' order by cast(code as int)"
    )
]
write("compound.txt", "EPSG code|name|horizontal CRS|vertical CRS", lines)

lines = [
    "|".join(row)
    for row in rows(
        "select v.code, v.name, d.code, d.name, a.uom_code, a.name, a.abbrev, a.orientation from vertical_crs v "
        "join vertical_datum d on v.datum_auth_name = d.auth_name and v.datum_code = d.code "
        "join axis a on a.coordinate_system_auth_name = v.coordinate_system_auth_name "
        "and a.coordinate_system_code = v.coordinate_system_code where v.auth_name = 'EPSG' "
        "and exists (select 1 from compound_crs c where c.vertical_crs_code = v.code and c.auth_name = 'EPSG') "
        "order by cast(v.code as int)"
    )
]
write("vertical.txt", "EPSG code|name|datum|datum name|unit|axis|abbreviation|direction", lines)

lines = [
    f"{code}|{name}|{kind}|{number(factor)}"
    for code, name, kind, factor in rows(
        "select code, name, type, conv_factor from unit_of_measure where auth_name = 'EPSG' and type in ('angle', 'length') "
        "and conv_factor > 0 order by cast(code as int)"
    )
]
write("units.txt", "EPSG code|name|kind|radians or metres", lines)

# --- datum shifts -----------------------------------------------------------------------------
SHIFT_METHOD = {
    # EPSG method code: t = translations, p = position vector, c = coordinate frame, with pivot: m = Molodensky-Badekas
    "9603": "t", "1031": "t", "1035": "t",
    "9606": "p", "1033": "p", "1037": "p",
    "9607": "c", "1032": "c", "1038": "c",
    "9636": "mc", "1034": "mc", "1039": "mc",
    "1061": "mp", "1062": "mp", "1063": "mp",
}
SUPERSEDED = {
    code for (code,) in rows(
        "select superseded_code from supersession where superseded_table_name = 'helmert_transformation' "
        "and superseded_auth_name = 'EPSG' and replacement_table_name = 'helmert_transformation'"
    )
}
lines = []
for row in rows(
    "select code, method_code, source_crs_code, target_crs_code, accuracy, tx, ty, tz, translation_uom_code, rx, ry, rz, "
    "rotation_uom_code, scale_difference, scale_difference_uom_code, px, py, pz from helmert_transformation "
    "where auth_name='EPSG' and deprecated = 0 and source_crs_auth_name='EPSG' and target_crs_auth_name='EPSG' "
    "order by cast(code as int)"
):
    code, method, source, target, accuracy, tx, ty, tz, tu, rx, ry, rz, ru, s, su, px, py, pz = row
    if method not in SHIFT_METHOD or accuracy is None or code in SUPERSEDED:
        continue
    if ("EPSG", source) not in datum_of or ("EPSG", target) not in datum_of:
        continue
    length = UNITS["EPSG", tu][0]
    values = [tx * length, ty * length, tz * length]
    if rx is not None:
        turn = math.degrees(UNITS["EPSG", ru][0]) * 3600
        values += [rx * turn, ry * turn, rz * turn, s * UNITS["EPSG", su][0] * 1e6]
    if px is not None:
        values += [px, py, pz]
    numbers = " ".join(number(float(f"{v:.12g}")) for v in values)
    lines.append(
        f"{code}|{datum_of['EPSG', source]}|{datum_of['EPSG', target]}|{SHIFT_METHOD[method]}|{number(accuracy)}|{numbers}|"
        + area("helmert_transformation", "EPSG", code)
    )
write("shifts.txt", "EPSG operation|from datum|to datum|t translations, p position vector, c coordinate frame, m Molodensky-Badekas|accuracy, metre|metre, arc second, ppm, pivot|west south east north", lines)
