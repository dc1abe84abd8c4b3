/** The backdrop: meridians and parallels, so that the map needs nothing from elsewhere. */
import type { Feature, FeatureCollection, LineString, Point } from "geojson";

/** Spacings in degrees, the coarsest first. */
const STEPS = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002];
/** Fewest lines across the view. */
const LINES_MIN = 3;
/** Most lines each way: a guard for views of odd shape. */
const LINES_MAX = 60;
/** Web Mercator ends here. */
const LATITUDE_MAX = 85;

export interface View {
  west: number;
  south: number;
  east: number;
  north: number;
}

export interface Graticule {
  lines: FeatureCollection<LineString>;
  /** At the lower and left edge of the view, `name` is what is written. */
  labels: FeatureCollection<Point>;
}

export function graticule(view: View): Graticule {
  const width = Math.max(view.east - view.west, 1e-6);
  const step = STEPS.find((degrees) => width / degrees >= LINES_MIN) ?? STEPS[STEPS.length - 1]!;
  const decimals = Math.max(0, Math.ceil(-Math.log10(step)));
  const [south, north] = [Math.max(view.south, -LATITUDE_MAX), Math.min(view.north, LATITUDE_MAX)];
  const lines: Feature<LineString>[] = [];
  const labels: Feature<Point>[] = [];
  const label = (coordinates: number[], name: string, anchor: string) =>
    labels.push({ type: "Feature", properties: { name, anchor }, geometry: { type: "Point", coordinates } });
  for (const lon of multiples(view.west, view.east, step)) {
    lines.push(line([[lon, south], [lon, north]]));
    const around = ((((lon + 180) % 360) + 360) % 360) - 180;
    label([lon, south], `${Math.abs(around).toFixed(decimals)}° ${around < 0 ? "W" : "E"}`, "bottom");
  }
  for (const lat of multiples(south, north, step)) {
    lines.push(line([[view.west, lat], [view.east, lat]]));
    label([view.west, lat], `${Math.abs(lat).toFixed(decimals)}° ${lat < 0 ? "S" : "N"}`, "left");
  }
  return { lines: { type: "FeatureCollection", features: lines }, labels: { type: "FeatureCollection", features: labels } };
}

function multiples(from: number, to: number, step: number): number[] {
  const first = Math.ceil(from / step);
  const count = Math.min(Math.floor(to / step) - first + 1, LINES_MAX);
  return Array.from({ length: Math.max(count, 0) }, (_, index) => Number(((first + index) * step).toFixed(6)));
}

function line(coordinates: number[][]): Feature<LineString> {
  return { type: "Feature", properties: {}, geometry: { type: "LineString", coordinates } };
}
