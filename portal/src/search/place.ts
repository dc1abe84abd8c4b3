/** A place as a link carries it: rings of `longitude,latitude` with blanks between positions and `;` between rings. */
import type { Geometry, MultiPolygon, Polygon, Position } from "geojson";

/** Most positions of a place: more would not fit into a link. */
export const POSITIONS_MAX = 300;
/** Decimals of a position in a link; 1 m. */
const DECIMALS = 5;
/** How often the tolerance is doubled until a ring is short enough: from 1 m to beyond the Earth. */
const DOUBLINGS_MAX = 40;

export type Place = Polygon | MultiPolygon;

export function placeToText(place: Place): string {
  return outerRings(place)
    .map((ring) => ring.slice(0, -1).map(([lon, lat]) => `${round(lon)},${round(lat)}`).join(" "))
    .join(";");
}

/** Reads the text of a link; undefined where it is none. */
export function placeFromText(text: string | null): Place | undefined {
  if (!text) return undefined;
  const rings: Position[][] = [];
  for (const part of text.split(";")) {
    const ring = part.split(" ").map((position) => position.split(",").map(Number));
    const isSound = ring.length >= 3 && ring.every(([lon, lat, more]) => more === undefined && isWithin(lon, 180) && isWithin(lat, 90));
    if (!isSound) return undefined;
    rings.push([...ring, ring[0]!]);
  }
  if (rings.length === 1) return { type: "Polygon", coordinates: [rings[0]!] };
  return { type: "MultiPolygon", coordinates: rings.map((ring) => [ring]) };
}

/** Returns the polygons of a GeoJSON text, thinned to what a link can carry; holes are left out. */
export function placeFromGeoJson(text: string): { place: Place; isThinned: boolean } | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const rings = geometries(parsed).flatMap(outerRings).filter((ring) => ring.length >= 4);
  const isOnEarth = rings.flat().every(([lon, lat]) => isWithin(lon, 180) && isWithin(lat, 90));
  if (rings.length === 0 || !isOnEarth) return undefined;
  const count = (all: Position[][]) => all.reduce((sum, ring) => sum + ring.length - 1, 0);
  let thin = rings;
  let tolerance = 1e-5;
  for (let doubling = 0; count(thin) > POSITIONS_MAX && doubling < DOUBLINGS_MAX; doubling += 1) {
    thin = rings.map((ring) => thinned(ring, tolerance)).filter((ring) => ring.length >= 4);
    tolerance *= 2;
  }
  const place = placeFromText(placeToText({ type: "MultiPolygon", coordinates: thin.map((ring) => [ring]) }));
  return place && { place, isThinned: thin !== rings };
}

export function bboxOf(geometry: Geometry): [number, number, number, number] {
  const positions = outerPositions(geometry);
  const [lons, lats] = [positions.map(([lon]) => lon ?? 0), positions.map(([, lat]) => lat ?? 0)];
  return [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)];
}

function outerPositions(geometry: Geometry): Position[] {
  if (geometry.type === "GeometryCollection") return geometry.geometries.flatMap(outerPositions);
  if (geometry.type === "Point") return [geometry.coordinates];
  if (geometry.type === "MultiPoint" || geometry.type === "LineString") return geometry.coordinates;
  if (geometry.type === "MultiLineString") return geometry.coordinates.flat();
  return outerRings(geometry).flat();
}

function outerRings(place: Place): Position[][] {
  const polygons = place.type === "Polygon" ? [place.coordinates] : place.coordinates;
  return polygons.flatMap((polygon) => polygon.slice(0, 1));
}

function geometries(value: unknown): Place[] {
  const document = value as { type?: string; features?: unknown[]; geometry?: unknown; geometries?: unknown[] } | null;
  switch (document?.type) {
    case "FeatureCollection":
      return (document.features ?? []).flatMap(geometries);
    case "Feature":
      return geometries(document.geometry);
    case "GeometryCollection":
      return (document.geometries ?? []).flatMap(geometries);
    case "Polygon":
    case "MultiPolygon":
      return [document as Place];
    default:
      return [];
  }
}

/** Leaves out positions that lie within `tolerance` degrees of the line without them (Douglas and Peucker 1973). */
function thinned(ring: Position[], tolerance: number): Position[] {
  const kept = new Uint8Array(ring.length);
  const far = ring.reduce((best, position, at) => (distance(position, ring[0]!) > distance(ring[best]!, ring[0]!) ? at : best), 0);
  const open: [number, number][] = [[0, far], [far, ring.length - 1]];
  kept[0] = kept[far] = kept[ring.length - 1] = 1;
  for (let part = open.pop(); part; part = open.pop()) {
    const [first, last] = part;
    let [worst, at] = [tolerance, -1];
    for (let index = first + 1; index < last; index += 1) {
      const away = fromLine(ring[index]!, ring[first]!, ring[last]!);
      if (away > worst) [worst, at] = [away, index];
    }
    if (at < 0) continue;
    kept[at] = 1;
    open.push([first, at], [at, last]);
  }
  return ring.filter((_, index) => kept[index]);
}

function distance([ax = 0, ay = 0]: Position, [bx = 0, by = 0]: Position): number {
  return Math.hypot(ax - bx, ay - by);
}

function fromLine([x = 0, y = 0]: Position, [ax = 0, ay = 0]: Position, [bx = 0, by = 0]: Position): number {
  const length = Math.hypot(bx - ax, by - ay);
  if (length === 0) return Math.hypot(x - ax, y - ay);
  return Math.abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / length;
}

function isWithin(value: number | undefined, limit: number): boolean {
  return value !== undefined && Number.isFinite(value) && Math.abs(value) <= limit;
}

function round(degrees: number | undefined): number {
  return Number((degrees ?? 0).toFixed(DECIMALS));
}
