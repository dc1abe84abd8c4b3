/** The season of a parcel: from rows of the extract tables to what is drawn. */
import { type Columns, type ParcelSet, type Table, series } from "../api/parcels";

/** Share of a parcel below which a date counts as cloudy. */
export const CLEAR_MIN = 0.5;
/** Days without a clear date that are a gap. */
export const GAP_DAYS = 20;
/** Classes of SCL that hide the ground: no data, defective, shadow, clouds, cirrus. */
const HIDING = new Set([0, 1, 3, 8, 9, 10]);
const DAY_MS = 86_400_000;

/** Indices that the server computes of band means. */
export const INDICES = ["NDVI", "NDWI", "NDMI", "NDRE", "BSI", "EVI2"] as const;

export interface Observation {
  at: number;
  datetime: string;
  value: number;
  /** Share of the parcel that was seen, 0 to 1. */
  clear: number;
  item: string;
}

export interface Line {
  name: string;
  collection: string;
  isOptical: boolean;
  points: Observation[];
}

export interface Panel {
  title: string;
  unit: string;
  lines: Line[];
  gaps: { from: number; to: number }[];
}

/** Fetches what the panels of a parcel need: one or two requests a table. */
export async function season(set: ParcelSet, id: string, index: string, signal: AbortSignal): Promise<Panel[]> {
  const name = `${set.name}@${set.version ?? 1}`;
  const tables = newest(set.tables ?? []);
  const panels = await Promise.all(tables.map((table) => panelsOf(name, id, table, index, signal)));
  return panels.flat().sort((a, b) => Number(b.lines.some((line) => line.isOptical)) - Number(a.lines.some((line) => line.isOptical)));
}

/** One table per collection: that with most rows, where options differ. */
function newest(tables: Table[]): Table[] {
  const chosen = new Map<string, Table>();
  for (const table of tables) {
    const held = chosen.get(table.collection);
    if (!held || table.rows > held.rows) chosen.set(table.collection, table);
  }
  return [...chosen.values()];
}

async function panelsOf(set: string, id: string, table: Table, index: string, signal: AbortSignal): Promise<Panel[]> {
  const { collection, profile } = table;
  const columns = "datetime,band,mean,clear,relative_orbit,orbit_state,item_id";
  const [{ columns: rows }, classes] = await Promise.all([
    series(set, id, { collection, profile, columns }, signal),
    table.options.classes ? series(set, id, { collection, profile, table: "classes" }, signal) : undefined,
  ]);
  const bands = [...new Set(rows.band as string[])];
  if (bands.includes("B04") && bands.includes("B08")) {
    const found = await series(set, id, { collection, profile, expr: index }, signal);
    const points = observations(found.columns, "value", classes && clearShares(classes.columns));
    const line = { name: index, collection, isOptical: true, points };
    return [{ title: index, unit: "", lines: [line], gaps: gaps(points) }];
  }
  const isPower = !collection.includes("coh") && bands.some((band) => band === "VV" || band === "VH");
  const lines = bands.flatMap((band) => linesOfBand(rows, band, collection, isPower));
  const title = isPower ? "Backscatter" : collection.includes("coh") ? "Coherence" : collection;
  return [{ title, unit: isPower ? "dB" : "", lines, gaps: [] }];
}

/** A line per relative orbit, since incidence angles differ. */
function linesOfBand(rows: Columns, band: string, collection: string, isPower: boolean): Line[] {
  const orbits = new Map<string, number[]>();
  rows.band?.forEach((name, row) => {
    if (name !== band) return;
    const state = rows.orbit_state?.[row];
    const orbit = [rows.relative_orbit?.[row] ?? "", state === "ascending" ? "↗" : state === "descending" ? "↘" : ""].join(" ").trim();
    orbits.set(orbit, [...(orbits.get(orbit) ?? []), row]);
  });
  return [...orbits].sort().map(([orbit, kept]) => {
    const picked = Object.fromEntries(Object.entries(rows).map(([name, values]) => [name, kept.map((row) => values[row] ?? null)]));
    const points = observations(picked, "mean");
    const shown = isPower ? points.filter(({ value }) => value > 0).map((point) => ({ ...point, value: 10 * Math.log10(point.value) })) : points;
    return { name: `${band} ${orbit}`.trim(), collection, isOptical: false, points: shown };
  });
}

function observations(columns: Columns, value: string, shares?: Map<string, number>): Observation[] {
  const points: Observation[] = [];
  columns.datetime?.forEach((datetime, row) => {
    const number = columns[value]?.[row];
    if (typeof number !== "number" || typeof datetime !== "string") return;
    const item = String(columns.item_id?.[row] ?? "");
    const clear = shares?.get(item) ?? (columns.clear?.[row] as number | null) ?? 1;
    points.push({ at: Date.parse(datetime), datetime, value: number, clear, item });
  });
  return points.sort((a, b) => a.at - b.at);
}

/** Returns the share of a parcel that no hiding class covers, by item. */
export function clearShares(columns: Columns): Map<string, number> {
  const sums = new Map<string, [number, number]>();
  columns.item_id?.forEach((item, row) => {
    const held = sums.get(String(item)) ?? [0, 0];
    const count = Number(columns.count?.[row] ?? 0);
    held[0] += count;
    if (!HIDING.has(Number(columns.class?.[row]))) held[1] += count;
    sums.set(String(item), held);
  });
  return new Map([...sums].map(([item, [all, clear]]) => [item, all > 0 ? clear / all : 0]));
}

export function gaps(points: Observation[]): { from: number; to: number }[] {
  const clear = points.filter((point) => point.clear >= CLEAR_MIN);
  return clear.flatMap((point, index) => {
    const next = clear[index + 1];
    return next && next.at - point.at >= GAP_DAYS * DAY_MS ? [{ from: point.at, to: next.at }] : [];
  });
}
