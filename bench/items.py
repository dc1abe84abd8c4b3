#!/usr/bin/env python3
"""Made-up Sentinel-2 L2A items over Europe, and questions about them: the same on every machine.

    bench/items.py --items N --out DIR

Writes DIR/collection.json, DIR/items.ndjson and DIR/questions.ndjson. Tiles are those of the UTM grid of
100 km between 11 W and 31 E, 35 N and 66 N, with their real names and corners (1,134). Each is seen from one
orbit in full, half of them from a second one in part, every 5 days, alternately by two satellites, from July 2017
on: more items are a longer archive of the same density (124,000 a year). Cloud cover is mostly little or much,
rarely between. An item has 20 assets and some 10 kB, as from an archive of COGs; what its assets share stands in
item_assets of the collection, too.
"""
import argparse, datetime, json, math, random
from pathlib import Path

COLLECTION = "sentinel-2-bench"
FIRST_DAY = datetime.date(2017, 7, 1)
REVISIT_DAYS = 5
ORBITS = 143
# Degrees of longitude between neighbouring orbits, and how many degrees they lean west per degree south.
ORBIT_SPACING, ORBIT_LEAN = 2.5, 0.35
QUESTIONS = 100
BANDS = {
    "B01": ("coastal", 0.443, 60), "B02": ("blue", 0.49, 10), "B03": ("green", 0.56, 10), "B04": ("red", 0.665, 10),
    "B05": ("rededge071", 0.704, 20), "B06": ("rededge075", 0.74, 20), "B07": ("rededge078", 0.783, 20),
    "B08": ("nir", 0.842, 10), "B8A": ("nir08", 0.865, 20), "B09": ("nir09", 0.945, 60), "B11": ("swir16", 1.61, 20),
    "B12": ("swir22", 2.19, 20),
}
LAYERS = {"AOT": 10, "SCL": 20, "WVP": 10, "TCI": 10}
COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def mixed(*numbers):
    """64 bits that look random and are the same every time."""
    state = 0x9E3779B97F4A7C15
    for number in numbers:
        state = (state ^ number) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ state >> 29) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 32
    return state


def lon_lat(zone, easting, northing):
    """Longitude and latitude of a point in UTM north (Krueger's series, third order: below a millimetre)."""
    flattening = 1 / 298.257223563
    n = flattening / (2 - flattening)
    radius = 6378137 / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
    beta = (n / 2 - 2 * n**2 / 3 + 37 * n**3 / 96, n**2 / 48 + n**3 / 15, 17 * n**3 / 480)
    delta = (2 * n - 2 * n**2 / 3 - 2 * n**3, 7 * n**2 / 3 - 8 * n**3 / 5, 56 * n**3 / 15)
    xi, eta = northing / (0.9996 * radius), (easting - 500_000) / (0.9996 * radius)
    north = xi - sum(b * math.sin(2 * k * xi) * math.cosh(2 * k * eta) for k, b in enumerate(beta, 1))
    east = eta - sum(b * math.cos(2 * k * xi) * math.sinh(2 * k * eta) for k, b in enumerate(beta, 1))
    chi = math.asin(math.sin(north) / math.cosh(east))
    latitude = chi + sum(d * math.sin(2 * k * chi) for k, d in enumerate(delta, 1))
    longitude = math.atan2(math.sinh(east), math.cos(north))
    return round(zone * 6 - 183 + math.degrees(longitude), 6), round(math.degrees(latitude), 6)


def tile_name(zone, column, row, latitude):
    letters = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")[(zone - 1) % 3]
    rows = "ABCDEFGHJKLMNPQRSTUV"
    band = "CDEFGHJKLMNPQRSTUVWX"[int((latitude + 80) // 8)]
    return f"{zone:02}{band}{letters[column - 1]}{rows[(row + (5 if zone % 2 == 0 else 0)) % 20]}"


class Tile:
    """A tile as one orbit sees it: `part` is 0 for all of it, -1 and 1 for its western and eastern part."""

    def __init__(self, number, zone, column, row, centre, orbit, part):
        self.number, self.zone, self.orbit = number, zone, orbit
        self.name = tile_name(zone, column, row, centre[1])
        self.centre = centre
        left, top = column * 100_000 - 40, (row + 1) * 100_000 + 40
        right, bottom = left + 109_800, top - 109_800
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        if part:
            cut = left + (0.35 + (mixed(number) % 30) / 100) * 109_800
            lean = 14_000
            corners = (
                [(left, top), (cut + lean, top), (cut - lean, bottom), (left, bottom)]
                if part < 0
                else [(cut + lean, top), (right, top), (right, bottom), (cut - lean, bottom)]
            )
        ring = [lon_lat(zone, *corner) for corner in corners]
        self.ring = ring + ring[:1]
        lons, lats = [lon for lon, _ in ring], [lat for _, lat in ring]
        self.bbox = [min(lons), min(lats), max(lons), max(lats)]
        self.valid = 100 if part == 0 else 45
        self.text = self.template(left, top)

    def template(self, left, top):
        """The item as text; what differs from date to date is filled in later."""
        def cog(name, metres, size):
            shape = 109_800 // metres
            return {"href": f"@PATH@/{name}.tif", "proj:shape": [shape, shape],
                    "proj:transform": [metres, 0, left, 0, -metres, top], "file:size": size}

        assets = {name: cog(name, metres, f"@SIZE{place % 4}@") for place, (name, (_, _, metres)) in enumerate(BANDS.items())}
        assets |= {name: cog(name, metres, f"@SIZE{place % 4}@") for place, (name, metres) in enumerate(LAYERS.items())}
        for name, file in (("thumbnail", "preview.jpg"), ("product_metadata", "MTD_MSIL2A.xml"),
                           ("granule_metadata", "MTD_TL.xml"), ("safe_manifest", "manifest.safe")):
            assets[name] = {"href": f"@PATH@/{file}"}
        shared = item_assets()
        assets = {name: shared[name] | asset for name, asset in assets.items()}
        item = {
            "type": "Feature", "stac_version": "1.1.0",
            "stac_extensions": [f"https://stac-extensions.github.io/{name}/schema.json" for name in
                                ("eo/v2.0.0", "raster/v2.0.0", "projection/v2.0.0", "sat/v1.1.0", "grid/v1.1.0", "file/v2.1.0")],
            "id": "@ID@", "collection": COLLECTION,
            "geometry": {"type": "Polygon", "coordinates": [self.ring]}, "bbox": self.bbox,
            "properties": {
                "datetime": "@TIME@", "platform": "sentinel-2@SAT@", "constellation": "sentinel-2", "instruments": ["msi"],
                "gsd": 10, "eo:cloud_cover": "@CLOUD@", "eo:snow_cover": "@SNOW@", "sat:relative_orbit": self.orbit,
                "sat:orbit_state": "descending", "sat:platform_international_designator": "2015-028A",
                "grid:code": f"MGRS-{self.name}", "product:type": "S2MSI2A", "processing:level": "L2",
                "proj:code": f"EPSG:326{self.zone:02}", "proj:centroid": {"lat": self.centre[1], "lon": self.centre[0]},
                "view:sun_azimuth": "@AZIMUTH@", "view:sun_elevation": "@ELEVATION@", "view:off_nadir": 0,
                "s2:product_uri": "@ID@.SAFE", "s2:processing_baseline": "05.00", "s2:datatake_type": "INS-NOBS",
                "s2:nodata_pixel_percentage": 100 - self.valid, "s2:mgrs_tile": self.name,
            },
            "links": [{"rel": "license", "href": "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"}],
            "assets": assets,
        }
        text = json.dumps(item, separators=(",", ":"))
        for number in ("CLOUD", "SNOW", "AZIMUTH", "ELEVATION", "SIZE0", "SIZE1", "SIZE2", "SIZE3"):
            text = text.replace(f'"@{number}@"', f"@{number}@")
        return text

    def item(self, day):
        """Returns the item of a date as text."""
        random_bits = mixed(self.number, day)
        date = FIRST_DAY + datetime.timedelta(days=day)
        # Eastern orbits come first; tiles of one pass follow each other from north to south.
        start = 36_000 + round((15 - self.orbit_longitude()) * 240) + round((66 - self.centre[1]) * 16)
        time = f"{start // 3600:02}:{start // 60 % 60:02}:{start % 60:02}"
        satellite = "ab"[day // REVISIT_DAYS % 2]
        stamp = f"{date:%Y%m%d}T{time.replace(':', '')}"
        identity = f"S2{satellite.upper()}_MSIL2A_{stamp}_N0500_R{self.orbit:03}_T{self.name}_{date:%Y%m%d}T201530"
        kind, cloud = random_bits % 100, (random_bits >> 8) % 10_000 / 10_000
        cover = cloud * 10 if kind < 25 else 80 + cloud * 20 if kind > 55 else cloud * 100
        season = math.cos((date.timetuple().tm_yday - 172) / 365.25 * 2 * math.pi)
        size = 20_000_000 + (random_bits >> 24) % 60_000_000
        text = self.text
        for mark, value in (
            ("@PATH@", f"s3://archive/{COLLECTION}/{date:%Y/%m/%d}/{identity}"), ("@ID@", identity),
            ("@TIME@", f"{date.isoformat()}T{time}.{self.number % 1000:03}Z"), ("@SAT@", satellite),
            ("@CLOUD@", f"{cover:.2f}"), ("@SNOW@", f"{max(0.0, -season) * cloud * 30:.2f}"),
            ("@AZIMUTH@", f"{160 + cloud * 8:.3f}"), ("@ELEVATION@", f"{90 - self.centre[1] + 23.4 * season:.3f}"),
            ("@SIZE0@", str(size)), ("@SIZE1@", str(size * 3 // 4)), ("@SIZE2@", str(size // 3)), ("@SIZE3@", str(size // 9)),
        ):
            text = text.replace(mark, value)
        return text

    def orbit_longitude(self):
        return ORBIT_SPACING * math.floor((self.centre[0] - ORBIT_LEAN * (self.centre[1] - 50)) / ORBIT_SPACING)


def tiles():
    """Returns all views of tiles, by orbit."""
    views = []
    for zone in range(29, 37):
        for column in range(1, 9):
            for row in range(38, 74):
                longitude, latitude = lon_lat(zone, column * 100_000 + 54_900, (row + 1) * 100_000 - 54_900)
                if abs(longitude - (zone * 6 - 183)) > 3.3 or not (-11 < longitude < 31 and 35 < latitude < 66):
                    continue
                strip = (longitude - ORBIT_LEAN * (latitude - 50)) / ORBIT_SPACING
                whole, share = math.floor(strip), strip % 1
                seen = [(whole, 0)] + ([(whole - 1, -1)] if share < 0.25 else [(whole + 1, 1)] if share > 0.75 else [])
                for orbit, part in seen:
                    views.append(Tile(len(views), zone, column, row, (longitude, latitude), orbit * 51 % ORBITS + 1, part))
    return views


def item_assets():
    """What the assets of all items share."""
    def cog(title, bands, metres, roles):
        return {"type": COG, "title": title, "roles": roles, "gsd": metres, "bands": bands}

    assets = {}
    for name, (common, wavelength, metres) in BANDS.items():
        band = {"name": name, "eo:common_name": common, "eo:center_wavelength": wavelength, "data_type": "uint16",
                "nodata": 0, "raster:scale": 0.0001, "raster:offset": -0.1}
        assets[name] = cog(f"{common}, {metres} m", [band], metres, ["data", "reflectance"])
    for name, metres in LAYERS.items():
        assets[name] = cog(name, [{"name": name, "data_type": "uint8" if name in ("SCL", "TCI") else "uint16", "nodata": 0}],
                           metres, ["visual"] if name == "TCI" else ["data"])
    assets["thumbnail"] = {"type": "image/jpeg", "title": "Thumbnail", "roles": ["thumbnail"]}
    for name in ("product_metadata", "granule_metadata", "safe_manifest"):
        assets[name] = {"type": "application/xml", "title": name.replace("_", " "), "roles": ["metadata"]}
    return assets


def collection():
    return {
        "type": "Collection", "stac_version": "1.1.0", "id": COLLECTION, "title": "Made-up Sentinel-2 L2A",
        "description": "Items that a benchmark made up", "license": "other", "links": [],
        "extent": {"spatial": {"bbox": [[-12, 34, 32, 67]]}, "temporal": {"interval": [["2017-07-01T00:00:00Z", None]]}},
        "item_assets": item_assets(),
    }


def write_items(views, count, file):
    """Writes items in the order of their acquisition; returns the number of days."""
    due = [[view for view in views if view.orbit % REVISIT_DAYS == day] for day in range(REVISIT_DAYS)]
    written = day = 0
    while written < count:
        for view in due[day % REVISIT_DAYS][: count - written]:
            file.write(view.item(day) + "\n")
            written += 1
        day += 1
    return day


def questions(views, days):
    """Yields search bodies: one to four tiles, or a country; a month; cloud cover below a limit."""
    numbers = random.Random(1)
    for name, degrees in (("tile", 0.5), ("country", 8.0)):
        for _ in range(QUESTIONS):
            longitude, latitude = numbers.choice(views).centre
            west = round(longitude - degrees / 2 + numbers.uniform(-0.5, 0.5), 3)
            south = round(latitude - degrees / 2 + numbers.uniform(-0.5, 0.5), 3)
            date = FIRST_DAY + datetime.timedelta(days=numbers.randrange(days))
            first = date.replace(day=1)
            last = (first + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=1)
            below = {"op": "<", "args": [{"property": "eo:cloud_cover"}, numbers.randrange(10, 70)]}
            yield {"name": name, "body": {
                "collections": [COLLECTION], "bbox": [west, south, round(west + degrees, 3), round(south + degrees, 3)],
                "datetime": f"{first}T00:00:00Z/{last}T23:59:59Z", "filter-lang": "cql2-json", "filter": below, "limit": 10}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    views = tiles()
    (args.out / "collection.json").write_text(json.dumps(collection()))
    with (args.out / "items.ndjson").open("w") as file:
        days = write_items(views, args.items, file)
    with (args.out / "questions.ndjson").open("w") as file:
        file.writelines(json.dumps(question) + "\n" for question in questions(views, days))


if __name__ == "__main__":
    main()
