"""Random requests to every face of the server, the same for the same seed: good ones, bad ones, absurd ones."""

from __future__ import annotations

import json
import math
import random
import urllib.parse
from dataclasses import dataclass, field

#: In every name of what is private, and in nothing else.
SECRET = "qzorchard"
#: What has the same form and was never there.
ABSENT = "qznothing"
#: Pixels for which one budget of CPU is meant.
BUDGET_PX = 1 << 22

TOKENS = ("NaN", "inf", "-Infinity", "1e308", "-1", "0", "1e-320", "99999999999999999999", "-9223372036854775809", "0x10", "", " ",
          "null", "true", "[]", "{}", "..", "*", "%", "1,2", "\u0661\u0662", "4;5")  # fmt: skip
JUNK = ("%00", "%FF%FE", "%zz", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%27%3B%20DROP%20TABLE%20items%3B--", "%3Cscript%3E", "%252e%252e",
        "%E2%80%AE", "%F0%9F%98%80" * 40, "A" * 5_000, "%28" * 3_000, "%25" * 500, "%0d%0aSet-Cookie:%20a=b", "+" * 50)  # fmt: skip
EXPRESSIONS = ("{b}", "({b}-{c})/({b}+{c})", "{b}/0", "{b};{c};{b}", "2.5*{b}+1", "-{b}", "{b}*{c}*{b}*{c}", "min({b},{c})", "sqrt({b}-2)",
               "{b}>0.3", "{b}^2")  # fmt: skip
BAD_EXPRESSIONS = ("{b}+", "(" * 31 + "{b}" + ")" * 31, "(" * 400 + "{b}" + ")" * 400, "+".join(["{b}"] * 150), "+".join(["{b}"] * 900),
                   "b99-nothing", "{b}**{b}**{b}", "1e400*{b}", ";" * 20, "{b};{c}", "import os", "-" * 800 + "{b}", "{b}^" * 200 + "2")  # fmt: skip
BBOXES = ("-180,-90,180,90", "170,-10,-170,10", "NaN,0,1,1", "1e300,0,1e301,1", "10,50,9,51", "9,51,10,50", "9,50,10", "9,50,0,10,51,9", "9,54,9,54",
          "-1e9,-1e9,1e9,1e9", "179.99,-89.99,180,90", "0,0,inf,inf")  # fmt: skip
CODES = ("EPSG:4326", "EPSG:3857", "EPSG:3035", "EPSG:32632", "EPSG:32633", "EPSG:4258", "CRS:84", "EPSG:900913", "EPSG:0", "EPSG:999999", "EPSG:32661",
         "EPSG:2154", "EPSG:27700", "AUTO:42001,9,55", "urn:ogc:def:crs:EPSG::4326", "http://www.opengis.net/def/crs/EPSG/0/3857", "EPSG:" + "9" * 300)  # fmt: skip
SETS = ("WebMercatorQuad", "WorldCRS84Quad", "WGS1984Quad", "EuropeanETRS89_LAEAQuad", "UTM32WGS84Quad", "UTM31WGS84Quad", "UTM01SWGS84Quad", "NoQuad")
MAPS = ("viridis", "greys", "rdylgn", "magma_r", "0:#000000,0.5:#808080,1:#ffffff", "no-map", "0:#zz", ",".join(f"{n}:#000000" for n in range(300)))
RESAMPLINGS = ("nearest", "bilinear", "cubic", "average", "mode", "min", "max", "lanczos")
DAYS = ("2021-06-20", "2021-05-01/2021-06-30", "../2021-07-01", "2021-08-01/..", "current", "2021", "2021-06", "2021-02-30", "2021-07-01/2021-06-01",
        "9999-12-31", "0000-00-00", "-5000-01-01T00:00:00Z", "2021-06-20T10:00:00+99:00", "/", "today")  # fmt: skip


@dataclass
class Archive:
    """What there is to ask for."""

    #: Collection → names of bands.
    bands: dict[str, list[str]]
    #: Collection → names of styles.
    styles: dict[str, list[str]]
    #: Collection → ids of items.
    items: dict[str, list[str]]
    #: Collection → asset of its items.
    assets: dict[str, list[str]]
    #: UUIDs of products.
    uuids: list[str]
    parcels: list[str]
    set: str
    #: Files of the portal.
    files: list[str]
    #: West, south, east, north of what is public, and of the place where only private images lie.
    bbox: tuple[float, float, float, float]
    secret_bbox: tuple[float, float, float, float]
    secret_items: list[str]


@dataclass
class Request:
    """One request, and what is expected of it."""

    number: int
    face: str
    path: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    #: "answer", "refusal" or "either".
    wants: str = "answer"
    #: What of the answer is waited for before the connection is dropped, in seconds; `None`: all.
    drop_s: float | None = None
    #: A picture of a public layer of the place where only private images lie.
    is_of_secret_place: bool = False
    pixels: int = 0

    def budgets(self) -> int:
        """How many budgets of CPU it may take."""
        return max(1, math.ceil(self.pixels / BUDGET_PX))

    def names_secret(self) -> bool:
        return SECRET in self.path or (self.body is not None and SECRET.encode() in self.body)


def random_request(archive: Archive, seed: int, number: int) -> Request:
    """Returns request `number` of a seed; it does not depend on the others."""
    return Dice(archive, random.Random(f"{seed}-{number}"), number).request()


class Dice:
    """Makes one request by chance."""

    def __init__(self, archive: Archive, chance: random.Random, number: int):
        self.archive, self.chance, self.number = archive, chance, number
        self.wants = "answer"
        self.is_of_secret_place = False
        self.pixels = 0
        #: What the query is made of, encoded by `request`.
        self.query: list[tuple[str, str]] = []
        self.headers: dict[str, str] = {}
        self.body: bytes | None = None
        self.method = "GET"

    def request(self) -> Request:
        faces = (
            (18, "tiles", self.tiles), (5, "tiles", self.values), (9, "ows", self.wms), (5, "ows", self.wmts), (4, "ows", self.wcs),
            (8, "parcels", self.vector_tiles), (9, "parcels", self.series), (3, "parcels", self.chips), (6, "parcels", self.parcels), (4, "query", self.cbm),
            (11, "stac", self.search), (6, "stac", self.stac), (5, "resto", self.resto), (6, "odata", self.odata),
            (4, "files", self.files), (2, "writes", self.writes), (4, "junk", self.junk),
        )  # fmt: skip
        _, face, make = self.chance.choices(faces, [weight for weight, *_ in faces])[0]
        path = make()
        roll = self.chance.random()
        if roll < 0.05 and face != "junk":
            path = self.ask_for_secret(path)
        elif roll < 0.25:
            self.spoil()
        encoded = path + self.encoded_query()
        if roll > 0.95:
            encoded = self.scramble(encoded)
        self.add_headers()
        drop_s = self.chance.uniform(0, 0.015) if self.chance.random() < 0.03 else None
        return Request(
            self.number, face, encoded, self.method, self.headers, self.body, self.wants, drop_s,
            self.is_of_secret_place and self.wants == "answer", self.pixels,
        )  # fmt: skip

    # What every request may have.

    def encoded_query(self) -> str:
        return "?" + urllib.parse.urlencode(self.query, quote_via=urllib.parse.quote) if self.query else ""

    def pick(self, *choices):
        return self.chance.choice(choices)

    def may(self, share: float) -> bool:
        return self.chance.random() < share

    def ask(self, **parameters) -> None:
        self.query += [(name, str(value)) for name, value in parameters.items() if value is not None]

    def either(self) -> None:
        self.wants = "either"
        self.is_of_secret_place = False

    def spoil(self) -> None:
        """Replaces, repeats, removes or adds parameters."""
        self.either()
        for _ in range(self.chance.randint(1, 3)):
            what = self.chance.random()
            value = self.pick(*TOKENS, *BBOXES, *DAYS, *CODES, *BAD_EXPRESSIONS)
            if self.query and what < 0.7:
                at = self.chance.randrange(len(self.query))
                self.query[at] = (self.query[at][0], value)
            elif self.query and what < 0.8:
                self.query.append(self.chance.choice(self.query))
            elif self.query and what < 0.9:
                self.query.pop(self.chance.randrange(len(self.query)))
            else:
                self.ask(**{self.pick("limit", "bbox", "datetime", "expression", "filter", "colour", "$top", "time"): value})

    def scramble(self, path: str) -> str:
        """Puts percent-encoded junk somewhere."""
        self.either()
        at = self.chance.randrange(1, len(path) + 1)
        if "%" in path[max(0, at - 2) : at]:
            at = len(path)
        return path[:at] + self.chance.choice(JUNK) + path[at:]

    def ask_for_secret(self, path: str) -> str:
        """Puts a private name in the place of a public one."""
        self.either()
        archive = self.archive
        names = [*archive.bands, archive.set, *archive.parcels[:3]]
        swap = {name: SECRET for name in names}
        swap |= {item: self.chance.choice(archive.secret_items) for items in archive.items.values() for item in items}
        for name in sorted(swap, key=len, reverse=True):
            path = path.replace(name, swap[name])
            self.query = [(key, value.replace(name, swap[name])) for key, value in self.query]
            if self.body:
                self.body = self.body.replace(name.encode(), swap[name].encode())
        return path

    def add_headers(self) -> None:
        chance = self.chance.random()
        if chance < 0.3:
            self.headers["Accept-Encoding"] = "gzip"
        elif chance < 0.34:
            self.headers["Accept"] = self.pick("image/webp", "text/html", "application/*;q=0.1, */*", "nothing/here", "a" * 500)
        elif chance < 0.37:
            self.headers["If-None-Match"] = self.pick("*", '"abc"', 'W/"1", "2"', "no quotes")
        elif chance < 0.39:
            self.headers["Range"] = self.pick("bytes=0-99", "bytes=-1", "bytes=5-1", "bytes=0-0,5-9", "lines=1", f"bytes={'9' * 30}-")
            self.either()
        elif chance < 0.41:
            self.headers["Authorization"] = self.pick("Bearer x", "Basic eDp5", "Bearer", "Digest a", "Bearer " + "a" * 2_000)
            self.either()
        elif chance < 0.42:
            self.headers["X-Forwarded-Host"] = self.pick("example.org", "a b", "evil/../x")
            self.either()
        elif chance < 0.43 and self.method == "GET":
            self.method = self.pick("HEAD", "OPTIONS", "DELETE", "BREW")
            self.either()

    # Places and times.

    def collection(self) -> str:
        return self.chance.choice(list(self.archive.bands))

    def layer(self, collection: str) -> str:
        return collection if self.may(0.6) else f"{collection}:{self.chance.choice(self.archive.items[collection])}"

    def place(self) -> tuple[float, float]:
        """A place among the images, or one where only private images are."""
        self.is_of_secret_place = self.may(0.15)
        west, south, east, north = self.archive.secret_bbox if self.is_of_secret_place else self.archive.bbox
        return self.chance.uniform(west, east), self.chance.uniform(south, north)

    def box(self) -> tuple[float, float, float, float]:
        longitude, latitude = self.place()
        if self.is_of_secret_place:
            west, south, east, north = self.archive.secret_bbox
            return tuple(self.chance.uniform(*sorted(pair)) for pair in ((west, longitude), (south, latitude), (longitude, east), (latitude, north)))
        side = self.chance.choice((0.002, 0.01, 0.05, 0.5))
        return longitude - side / 2, latitude - side / 3, longitude + side / 2, latitude + side / 3

    def expression(self, collection: str) -> str:
        bands = [band for band in self.archive.bands[collection] if band != "SCL"]
        if self.may(0.12):
            self.either()
            text = self.chance.choice(BAD_EXPRESSIONS)
        else:
            text = self.chance.choice(EXPRESSIONS)
            # Functions need not be known.
            if "(" in text[1:] and text[0] != "(" or "^" in text or ">" in text:
                self.either()
        return text.replace("{b}", self.chance.choice(bands)).replace("{c}", self.chance.choice(bands))

    def style(self, collection: str) -> None:
        what = self.chance.random()
        if what < 0.45:
            self.ask(style=self.chance.choice(self.archive.styles[collection]))
        elif what < 0.75:
            self.ask(expression=self.expression(collection), rescale=self.pick("0,1", "0,0.4", "-1,1", "0,3000", "-30,0"))
        if self.may(0.15):
            self.ask(colormap=self.chance.choice(MAPS))
            self.either()
        if self.may(0.15):
            resampling = self.chance.choice(RESAMPLINGS)
            self.ask(resampling=resampling)
            if resampling == "lanczos":
                self.wants = "refusal"
        if self.may(0.1):
            self.ask(**{self.pick("gamma", "nodata", "background", "rescale"): self.pick("0.5", "2", "0xffffff", "1,0", *TOKENS)})
            self.either()

    def time(self, name: str = "time") -> None:
        if self.may(0.4):
            day = self.chance.choice(DAYS)
            self.ask(**{name: day})
            if DAYS.index(day) > 3:
                self.either()

    # Faces: each returns a path and fills the query.

    def tiles(self) -> str:
        collection = self.collection()
        layer = self.layer(collection)
        if self.may(0.06):
            self.style(collection)
            self.either()
            return self.pick("/tiles", f"/tiles/{layer}/WebMercatorQuad/tilejson.json")
        name = self.chance.choice(SETS)
        zoom = self.chance.choices((0, 8, 12, 13, 14, 15, 16, 18), (1, 2, 6, 8, 8, 6, 3, 1))[0]
        longitude, latitude = self.place()
        if name == "WebMercatorQuad" or self.may(0.5):
            name = "WebMercatorQuad"
            zoom = max(zoom, 16) if self.is_of_secret_place else zoom
            col, row = tile_of(longitude, latitude, zoom)
            west, _, east, _ = tile_bounds(zoom, col, row)
            # Tiles that reach beyond the place may show something.
            self.is_of_secret_place &= self.archive.secret_bbox[0] <= west and east <= self.archive.secret_bbox[2]
        else:
            self.either()
            col, row = (self.chance.randrange(2**zoom) for _ in range(2))
        if self.may(0.06):
            self.either()
            zoom, col, row = self.pick((25, 0, 0), (99, 1, 1), (3, 8, 0), (-1, 0, 0), (14, 2**31, 5), ("x", 1, 1), (14, "1e3", 2))
        self.style(collection)
        self.time()
        form = self.pick("png", "png", "webp", "jpg", "tif", "npy", "png", "gif")
        double = self.pick(*[""] * 30, "@2x", "@2x", "@3x")
        if form == "gif" or double == "@3x":
            self.either()
        return f"/tiles/{layer}/{name}/{zoom}/{col}/{row}{double}.{form}"

    def values(self) -> str:
        collection = self.collection()
        longitude, latitude = self.place()
        self.either()
        self.ask(lon=longitude, lat=latitude, values=self.pick("stored", "physical", None), bands=self.pick(None, *self.archive.bands[collection], "NO"))
        self.time()
        return f"/tiles/{self.layer(collection)}/values"

    def wms(self) -> str:
        collection = self.collection()
        version = self.pick("1.1.1", "1.3.0")
        operation = self.chance.choices(("GetMap", "GetFeatureInfo", "GetLegendGraphic", "GetCapabilities", "GetNothing"), (12, 4, 2, 1, 1))[0]
        self.ask(SERVICE="WMS", VERSION=version, REQUEST=operation)
        layer = self.layer(collection)
        if operation in ("GetNothing", "GetCapabilities"):
            self.wants = "refusal" if operation == "GetNothing" else self.wants
            return "/ows"
        if operation == "GetLegendGraphic":
            self.ask(LAYER=layer, FORMAT="image/png", STYLE=self.chance.choice(self.archive.styles[collection]))
            return "/ows"
        west, south, east, north = self.box()
        code = self.pick("CRS:84", "EPSG:4326") if version == "1.3.0" else "EPSG:4326"
        box = (south, west, north, east) if code == "EPSG:4326" and version == "1.3.0" else (west, south, east, north)
        if self.may(0.25):
            self.either()
            code, box = self.chance.choice(CODES), self.chance.choice(((500_000, 6e6, 6e5, 6.1e6), (-2e7, -2e7, 2e7, 2e7), box, (1e30, 0, 1, 1)))
        width, height = self.size()
        self.ask(**{"CRS" if version == "1.3.0" else "SRS": code}, BBOX=",".join(map(str, box)), WIDTH=width, HEIGHT=height, LAYERS=layer,
                 FORMAT=self.pick("image/png", "image/jpeg", "image/webp", "image/tiff"), TRANSPARENT=self.pick("TRUE", "FALSE"),
                 STYLES=self.pick("", self.chance.choice(self.archive.styles[collection])))  # fmt: skip
        if operation == "GetFeatureInfo":
            self.is_of_secret_place = False
            self.ask(QUERY_LAYERS=layer, INFO_FORMAT=self.pick("text/plain", "text/html", "application/json"), **{"I" if version == "1.3.0" else "X": width // 2, "J" if version == "1.3.0" else "Y": height // 2})
        if self.may(0.2):
            self.ask(EXCEPTIONS=self.pick("XML", "INIMAGE", "BLANK", "application/vnd.ogc.se_inimage", "nothing"))
            self.either()
        if self.may(0.15):
            self.ask(EXPRESSION=self.expression(collection), RESCALE="0,1")
            self.either()
        self.time("TIME")
        if self.query[-1][0] == "TIME":
            self.either()
        return "/ows"

    def size(self) -> tuple[int, int]:
        what = self.chance.random()
        if what > 0.997:
            width, height = self.pick((4096, 1024), (2048, 2048), (1, 4096))
        elif what > 0.97:
            width, height = self.pick((4097, 10), (100_000, 100_000), (0, 10), (-5, 5), (10**12, 1))
            self.wants = "refusal"
            self.is_of_secret_place = False
            return width, height
        else:
            width, height = (self.chance.choice((1, 17, 64, 200, 256, 256, 300)) for _ in range(2))
        self.pixels = width * height
        return width, height

    def wmts(self) -> str:
        collection = self.collection()
        self.either()
        if self.may(0.04):
            return "/wmts/1.0.0/WMTSCapabilities.xml"
        layer, zoom = self.layer(collection), self.pick(11, 13, 14, 15, 16, 99)
        col, row = tile_of(*self.place(), min(zoom, 20))
        self.is_of_secret_place = False
        style, name = self.pick("default", *self.archive.styles[collection], "no"), self.pick(*SETS[:1] * 6, *SETS)
        if self.may(0.5):
            end = self.pick("png", "jpg", "webp", "bmp")
            info = f"/{self.pick(0, 255, 256, -1)}/7.{self.pick('json', 'txt', 'html')}" if self.may(0.2) else ""
            return f"/wmts/1.0.0/{layer}/{style}/{self.pick('current', '2021-06-20', 'never')}/{name}/{zoom}/{row}/{col}{info or '.' + end}"
        self.ask(SERVICE="WMTS", REQUEST=self.pick("GetTile", "GetTile", "GetFeatureInfo"), VERSION="1.0.0", LAYER=layer, STYLE=style, TILEMATRIXSET=name,
                 TILEMATRIX=zoom, TILEROW=row, TILECOL=col, FORMAT=self.pick("image/png", "image/jpeg", "image/bmp"))  # fmt: skip
        return "/ows"

    def wcs(self) -> str:
        collection = self.collection()
        self.either()
        version = self.pick("1.0.0", "2.0.1")
        operation = self.chance.choices(("GetCoverage", "DescribeCoverage", "GetCapabilities"), (8, 3, 1))[0]
        name = collection if self.may(0.6) else f"{collection}__{self.chance.choice(self.archive.items[collection])}"
        self.ask(SERVICE="WCS", VERSION=version, REQUEST=operation)
        west, south, east, north = self.box()
        self.is_of_secret_place = False
        if version == "1.0.0":
            width, height = self.size()
            self.either()
            self.ask(COVERAGE=name, CRS=self.pick("EPSG:4326", *CODES), BBOX=f"{west},{south},{east},{north}", WIDTH=width, HEIGHT=height, FORMAT="GeoTIFF",
                     BANDS=self.pick(None, "1", *self.archive.bands[collection], "99"))  # fmt: skip
            return "/ows"
        self.ask(COVERAGEID=name)
        if self.may(0.7):
            self.ask(SUBSET=f"E({self.pick(524_000, 530_000, -1e9)},{self.pick(531_000, 531_500, 1e9)})")
            self.ask(SUBSET=self.pick("N(6078000,6079000)", "N(5,1)", "N(NaN,1)", "Q(1,2)", 'time("2021-06-20")', "N(6078000"))
        if self.may(0.5):
            self.ask(**{self.pick("SCALEFACTOR", "SCALESIZE", "OUTPUTCRS", "RANGESUBSET", "INTERPOLATION", "SUBSETTINGCRS"): self.pick(
                "0.5", "2", "1e9", "E(100),N(100)", "http://www.opengis.net/def/crs/EPSG/0/4326", *self.archive.bands[collection], "NaN")})
        return "/ows"

    def vector_tiles(self) -> str:
        zoom = self.pick(0, 5, 9, 12, 13, 14, 15, 16)
        col, row = tile_of(*self.place(), zoom)
        self.is_of_secret_place = False
        if self.may(0.1):
            zoom, col, row = self.pick((17, 0, 0), (3, 9, 0), ("a", 0, 0), (-1, 0, 0), (5, 2**40, 0))
            self.wants = "refusal"
        if self.may(0.3):
            self.ask(properties=self.pick("id", "", "id,area_ha", "holder_name", "crop_code,crop_code"))
            self.either()
        if self.may(0.3):
            self.ask(value=self.pick("sentinel-2-l2a:B08:mean", "s1-card-bs:VV:p50", "sentinel-2-l2a:B08", f"{SECRET}:b1:mean", "none:B1:mean"), datetime="2021-06-20")
            self.either()
        end = "tilejson.json" if self.may(0.05) and self.wants == "answer" else f"{zoom}/{col}/{row}.{self.pick('mvt', 'pbf')}"
        return f"/parcels/{self.archive.set}/tiles/{end}"

    def series(self) -> str:
        collection = self.collection()
        bands = self.archive.bands[collection]
        if self.may(0.25):
            self.method = "POST"
            self.headers["Content-Type"] = "application/json"
            ids = self.chance.sample(self.archive.parcels, self.chance.randint(1, 5)) if self.may(0.8) else self.pick(None, "x", [1], ["no"] * 20, {})
            body = {"ids": ids, "collection": collection, "expr": self.pick("NDVI", "VHVV", "B08", "(" * 200), "format": self.pick("csv", "arrow", "parquet", "json")}
            self.either()
            self.body = json.dumps(body).encode()
            return f"/parcels/{self.archive.set}/series"
        self.ask(collection=self.pick(collection, None), datetime=self.pick(None, "2021-05-01/2021-07-01"), format=self.pick(None, "json", "csv", "arrow", "parquet"))
        if self.may(0.5):
            self.ask(**self.pick({"band": self.chance.choice(bands)}, {"expr": self.expression(collection)}, {"expr": "NDVI", "period": "dekad", "of": "dates"},
                                 {"period": "month"}, {"clear": self.pick("0.5", *TOKENS)}, {"columns": self.pick("mean,p50", "no")}, {"table": "classes"},
                                 {"orbits": "apart"}, {"period": "1-day"}))  # fmt: skip
            self.either()
        return f"/parcels/{self.archive.set}/{self.chance.choice(self.archive.parcels)}/series"

    def chips(self) -> str:
        self.either()
        self.ask(collection=self.collection(), datetime=self.pick("2021-06-01/2021-06-20", "2021-05-01/2021-05-20", None, "2021-06-03/2021-06-08"),
                 style=self.pick("natural", "ndvi", "s1", "no"), margin=self.pick(None, "0", "30", "2001", "-5"))  # fmt: skip
        # A season is up to 76 whole images.
        self.pixels = 3 * BUDGET_PX if dict(self.query).get("datetime") is None else 0
        return f"/parcels/{self.archive.set}/{self.chance.choice(self.archive.parcels)}/chips{self.pick('.png', '.png', '.tif', '.json', '')}"

    def parcels(self) -> str:
        name = self.archive.set
        parcel = self.chance.choice(self.archive.parcels)
        what = self.pick(0, 1, 2, 3, 4)
        if what == 0:
            return self.pick("/parcels", f"/parcels/{name}", f"/parcels/{name}@1")
        if what == 1:
            self.either()
            return self.pick("/parcels/none", f"/parcels/{name}@99", f"/parcels/{name}/items/none", f"/parcels/{name}@x")
        if what == 2:
            self.ask(bbox=",".join(map(str, self.box())), limit=self.pick(None, 1, 10, 1_000))
            return f"/parcels/{name}/items"
        if what == 3:
            collection = self.collection()
            self.either()
            self.ask(collection=collection, band=self.chance.choice(self.archive.bands[collection]), format=self.pick("csv", "parquet", "json"))
            return f"/parcels/{name}/images/{self.chance.choice(self.archive.items[collection])}"
        return f"/parcels/{name}/items/{parcel}"

    def cbm(self) -> str:
        self.either()
        aoi, _, year = self.archive.set.rpartition("_")
        longitude, latitude = self.place()
        self.is_of_secret_place = False
        what = self.pick("info", "parcelByLocation", "parcelByID", "parcelsByPolygon", "parcelPeers", "parcelTimeSeries", "weatherTimeSeries", "markers",
                         "rawChipByLocation", "rawChipByParcelID", "backgroundByLocation", "chipsByParcelID", "files/00/x.tif", "none")  # fmt: skip
        self.ask(aoi=aoi, year=year, pid=self.chance.choice(self.archive.parcels), lon=longitude, lat=latitude, ptype=self.pick(None, None, "g"),
                 tstype=self.pick("s2", "bs", "c6", "scl", "x"), chipsize=self.pick(None, 300, 5_121, 0), onlylist=self.pick("True", "False"),
                 start_date="2021-06-01", end_date=self.pick("2021-06-05", "2021-06-15", "2020-01-01"), polygon=self.pick("9.47_54.85-9.49_54.85-9.48_54.86", "x", "1_1"),
                 band=self.pick(None, "B04", "B99"), distance=self.pick(None, 500, 1e12), max=self.pick(None, 3, 10**9))  # fmt: skip
        return f"/query/{what}"

    def cql2(self) -> str:
        text = self.pick("eo:cloud_cover < 20", "platform = 'sentinel-2a'", "eo:cloud_cover BETWEEN 5 AND 50 AND platform LIKE 'sent%'", "id IN ('a', 'b')",
                         "S_INTERSECTS(geometry, POINT(9.48 54.86))", "datetime > TIMESTAMP('2021-06-01T00:00:00Z')")  # fmt: skip
        if self.may(0.2):
            self.either()
            text = self.pick("(" * 500, "a = " * 50, "NOT " * 300 + "a = 1", "x = 'y", " OR ".join(["a = 1"] * 300), "S_INTERSECTS(geometry, POLYGON((0 0)))", "1 = 1", "a = b + 1e999")
        return text

    def search(self) -> str:
        if self.may(0.3):
            self.method = "POST"
            self.headers["Content-Type"] = self.pick("application/json", "application/json", "text/plain")
            body = {"collections": [self.collection()], "limit": self.pick(1, 5, 10), "datetime": self.chance.choice(DAYS[1:4]), "sortby": [{"field": "datetime", "direction": "asc"}]}
            body |= self.pick({}, {"bbox": list(self.box())}, {"ids": self.chance.sample(self.archive.items["sentinel-2-l2a"], 2)}, {"filter": self.cql2(), "filter-lang": "cql2-text"},
                              {"limit": -1}, {"intersects": {"type": "Point", "coordinates": [9.48, 54.86]}}, {"bbox": [None]}, {"query": {"eo:cloud_cover": {"lt": 10}}},
                              {"filter": {"op": "and", "args": []}}, {"collections": 5}, {"intersects": {"type": "Polygon", "coordinates": [[[0, 0]] * 3]}})  # fmt: skip
            self.either()
            text = json.dumps(body)
            self.body = (text if self.may(0.9) else self.pick(text[:-3], "[" * 3_000, "", "\ud83d".encode("utf-8", "replace").decode(), "1e999", '{"a": "\\u0000"}')).encode()
            self.is_of_secret_place = False
            return "/stac/search"
        path = self.pick("/stac/search", f"/stac/collections/{self.collection()}/items")
        self.ask(collections=self.collection() if path == "/stac/search" and self.may(0.5) else None, limit=self.pick(1, 5, 10))
        if self.may(0.4):
            self.ask(bbox=",".join(map(str, self.box())))
        self.is_of_secret_place = False
        if self.may(0.4):
            self.ask(datetime=self.pick("2021-05-01T00:00:00Z/2021-06-30T00:00:00Z", "../2021-07-01T00:00:00Z", "2021-06-20T10:00:00.5Z", *DAYS))
            if "Z" not in self.query[-1][1] or self.query[-1][1] in DAYS:
                self.either()
        if self.may(0.4):
            self.ask(filter=self.cql2())
            self.either()
        if self.may(0.2):
            self.ask(**{self.pick("sortby", "fields", "q", "token", "filter-crs"): self.pick("-datetime", "+eo:cloud_cover", "id,properties", "-assets", "no:field", *TOKENS)})
            self.either()
        return path

    def stac(self) -> str:
        collection = self.collection()
        paths = ("/stac", "/stac/conformance", "/stac/collections", "/stac/queryables", "/stac/children", "/api", f"/stac/collections/{collection}",
                 f"/stac/collections/{collection}/items/{self.chance.choice(self.archive.items[collection])}", f"/stac/collections/{collection}/queryables",
                 f"/stac/collections/{collection}/browse/2021/06", "/stac/aggregate", f"/stac/collections/{collection}/aggregate")  # fmt: skip
        path = self.chance.choice(paths)
        if path.endswith("aggregate"):
            self.ask(aggregations=self.pick("total_count", "datetime_min,datetime_max", "cloud_cover_frequency", "no"))
            self.either()
        if self.may(0.15):
            self.wants = "refusal"
            path = self.pick("/stac/none", "/stac/collections/none", f"/stac/collections/{collection}/items/none", f"/stac/collections/{collection}/browse/2021/99")
        return path

    def resto(self) -> str:
        self.ask(maxRecords=self.pick(None, 1, 10), page=self.pick(None, 1, 2), cloudCover=self.pick(None, "[0,20]"), startDate=self.pick(None, "2021-06-01"),
                 productType=self.pick(None, "L2A"), box=self.pick(None, "9,54,10,55"))  # fmt: skip
        if self.may(0.3):
            self.ask(**{self.pick("geometry", "sortParam", "lon", "radius", "status", "index", "orbitNumber", "completionDate"): self.pick("POINT(9 54)", "POLYGON((", "startDate", *TOKENS)})
            self.either()
        end = self.pick("search.json", "search.atom", "describe.xml")
        return self.pick("/resto/api/collections.json", f"/resto/api/collections/{end}", f"/resto/api/collections/Sentinel2/{end}")

    def odata(self) -> str:
        uuid = self.chance.choice(self.archive.uuids)
        what = self.pick(0, 0, 0, 1, 2)
        if what == 1:
            self.either()
            end = self.pick("", "/Attributes", "/Nodes", "/$value", "/Nothing", "/Nodes(x)/Nodes", "/$count")
            return f"/odata/v1/Products({self.pick(uuid, uuid, 'none', '00000000-0000-0000-0000-000000000000')}){end}"
        if what == 2:
            return self.pick("/odata/v1", "/odata/v1/$metadata", "/odata/v1/Products/$count")
        filters = ("Collection/Name eq 'SENTINEL-2'", "contains(Name,'32UNF')", "ContentDate/Start gt 2021-06-01T00:00:00.000Z and ContentDate/Start lt 2021-07-01T00:00:00.000Z",
                   "OData.CSC.Intersects(area=geography'SRID=4326;POINT(9.48 54.86)')", "Attributes/OData.CSC.DoubleAttribute/any(att:att/Name eq 'cloudCover' and att/OData.CSC.DoubleAttribute/Value le 20.00)")  # fmt: skip
        bad = ("Name eq", "(" * 200, "not " * 200 + "true", "Name eq '" + "a" * 3_000 + "'", " or ".join(["Name eq 'a'"] * 300), "OData.CSC.Intersects(area=geography'SRID=4326;POLYGON((')", "Nothing gt 5")
        if self.may(0.2):
            self.either()
        self.ask(**{"$filter": self.chance.choice(bad if self.wants == "either" else filters), "$top": self.pick(1, 5, 20), "$orderby": self.pick(None, "ContentDate/Start desc"),
                    "$expand": self.pick(None, "Attributes", "Assets"), "$count": self.pick(None, "true")})  # fmt: skip
        return "/odata/v1/Products"

    def files(self) -> str:
        collection = self.collection()
        item = self.chance.choice(self.archive.items[collection])
        what = self.pick(0, 1, 2, 3)
        if what == 0:
            return self.pick("/", "/healthz", "/readyz", *(f"/{name}" for name in self.archive.files))
        self.either()
        if what == 1:
            return self.pick("/assets/none.js", "/assets/..%2f..%2fCargo.toml", "/assets/", "/none", "//", "/.git/config", "/assets/index.js%00")
        if what == 2:
            self.headers["Range"] = self.pick("bytes=0-15", "bytes=-8", "bytes=100-50")
            return f"/objects/{collection}/{item}/{self.chance.choice(self.archive.assets[collection])}"
        return self.pick("/eodata/", "/eodata/Sentinel-2/MSI/L2A/2021/06/", "/eodata/../../etc/passwd", "/eodata/none", f"/download/{self.chance.choice(self.archive.uuids)}", "/download/none")

    def writes(self) -> str:
        """What nobody may do without a token."""
        self.wants = "refusal"
        self.method = self.pick("POST", "PUT", "PATCH", "DELETE")
        self.headers["Content-Type"] = "application/json"
        self.body = self.pick(b"{}", b'{"type": "Feature"}', b"null", b"[" * 100)
        collection = self.collection()
        item = self.chance.choice(self.archive.items[collection])
        if self.method == "POST":
            return self.pick("/stac/collections", f"/stac/collections/{collection}/items")
        return self.pick(f"/stac/collections/{collection}", f"/stac/collections/{collection}/items/{item}")

    def junk(self) -> str:
        """What is hardly a request."""
        self.either()
        length = self.chance.choice((1, 10, 100, 1_000, 9_000))
        letters = "abc/?&=%20;:@{}[]()|\\^~`\"'<>#\u00e9\x01\t 0123456789+*,.-_"
        return "/" + self.pick("", "tiles/", "ows?", "stac/search?", "odata/v1/", "parcels/", "resto/") + "".join(self.chance.choices(letters, k=length))


def tile_of(longitude: float, latitude: float, zoom: int) -> tuple[int, int]:
    tiles = 2**zoom
    down = math.asinh(math.tan(math.radians(latitude)))
    return int((longitude + 180) / 360 * tiles), int((1 - down / math.pi) / 2 * tiles)


def tile_bounds(zoom: int, col: int, row: int) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees."""
    def north(at):
        return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * at / 2**zoom))))

    return col / 2**zoom * 360 - 180, north(row + 1), (col + 1) / 2**zoom * 360 - 180, north(row)


