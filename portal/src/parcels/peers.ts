/** Parcels near by with the same crop, and how their season went: what a parcel is compared with. */
import { type Columns, type Parcel, parcelsIn, seriesOf } from "../api/parcels";
import { bboxOf } from "../search/place";

/** How far away peers are looked for, in kilometres. */
const DISTANCE_KM = 5;
/** Parcels looked at around a parcel. */
const CANDIDATES_MAX = 1000;
export const PEERS_MAX = 30;
/** Fewer values on a date say nothing of the others. */
const VALUES_MIN = 3;
const KM_PER_DEGREE = 111.2;

export interface Peer {
  id: string;
  kilometres: number;
}

export interface Spread {
  at: number;
  low: number;
  middle: number;
  high: number;
}

/** Returns the nearest parcels of the same crop, nearest first. */
export async function peers(set: string, parcel: Parcel, signal: AbortSignal): Promise<Peer[]> {
  const here = centre(parcel);
  const [south, west] = [DISTANCE_KM / KM_PER_DEGREE, DISTANCE_KM / (KM_PER_DEGREE * Math.cos((here[1] * Math.PI) / 180))];
  const found = await parcelsIn(set, [here[0] - west, here[1] - south, here[0] + west, here[1] + south], CANDIDATES_MAX, signal);
  const crop = (one: { properties: Parcel["properties"] }) => one.properties.crop_code ?? one.properties.crop_name;
  const alike = found.features.filter((other) => String(other.id) !== String(parcel.id) && crop(other) === crop(parcel) && crop(parcel) != null);
  return alike
    .map((other) => ({ id: String(other.id), kilometres: kilometres(here, centre(other)) }))
    .sort((a, b) => a.kilometres - b.kilometres)
    .slice(0, PEERS_MAX);
}

/** Returns how an index of peers is spread on each date: tenth, middle and ninetieth of a hundred. */
export async function spreadOf(set: string, ids: string[], collection: string, index: string, signal: AbortSignal): Promise<Spread[]> {
  const csv = await seriesOf(set, ids, { collection, expr: index }, signal);
  const { datetime = [], value = [] } = readCsv(csv);
  const dates = new Map<string, number[]>();
  datetime.forEach((date, row) => {
    const number = value[row];
    if (number === null || number === "" || number === undefined) return;
    dates.set(String(date), [...(dates.get(String(date)) ?? []), Number(number)]);
  });
  return [...dates]
    .filter(([, values]) => values.length >= VALUES_MIN)
    .map(([date, values]) => {
      values.sort((a, b) => a - b);
      return { at: Date.parse(date), low: quantile(values, 0.1), middle: quantile(values, 0.5), high: quantile(values, 0.9) };
    })
    .sort((a, b) => a.at - b.at);
}

/** Reads CSV with a head line (RFC 4180) into columns of texts. */
export function readCsv(text: string): Columns {
  const lines = text.split(/\r?\n/).filter(Boolean).map(cells);
  const [head = [], ...rows] = lines;
  return Object.fromEntries(head.map((name, column) => [name, rows.map((row) => row[column] ?? null)]));
}

function cells(line: string): string[] {
  const found = line.match(/("([^"]|"")*"|[^,]*)(,|$)/g) ?? [];
  return found.slice(0, line.endsWith(",") ? undefined : -1).map((cell) => {
    const bare = cell.replace(/,$/, "");
    return bare.startsWith('"') ? bare.slice(1, -1).replace(/""/g, '"') : bare;
  });
}

function quantile(sorted: number[], share: number): number {
  const position = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(position)]!, sorted[Math.ceil(position)]!];
  return low + (high - low) * (position - Math.floor(position));
}

function centre(parcel: Pick<Parcel, "geometry">): [number, number] {
  const [west, south, east, north] = bboxOf(parcel.geometry);
  return [(west + east) / 2, (south + north) / 2];
}

function kilometres([ax, ay]: [number, number], [bx, by]: [number, number]): number {
  return Math.hypot((bx - ax) * Math.cos((ay * Math.PI) / 180), by - ay) * KM_PER_DEGREE;
}
