/** Parcel sets, parcels and their series. */
import type { Feature, FeatureCollection, MultiPolygon, Polygon } from "geojson";
import { get, postForText } from "./client";
import { hasPath } from "./faces";
import type { components } from "./openapi";

export interface SetVersion {
  number: number;
  parcels: number;
  bbox: [number, number, number, number];
  crs: string;
  geometry: string;
  created: string;
}

export interface Table {
  collection: string;
  profile: string;
  version: number;
  rows: number;
  months: string[];
  options: Record<string, string>;
}

export interface ParcelSet {
  name: string;
  visibility: string;
  timezone: string;
  versions: SetVersion[];
  version?: number;
  tables?: Table[];
}

export type Parcel = Feature<Polygon | MultiPolygon, Record<string, unknown> & { area_m2?: number; crop_name?: string | null; crop_code?: string | null }>;
export type Columns = Record<string, (string | number | null)[]>;
export type Series = components["schemas"]["Series"] & { columns: Columns };

const path = (set: string, ...rest: string[]) => ["parcels", set, ...rest].map(encodeURIComponent).join("/");

export async function parcelSets(signal?: AbortSignal): Promise<ParcelSet[]> {
  return (await get<{ sets: ParcelSet[] }>("parcels", {}, signal)).sets;
}

export function parcelSet(set: string, signal?: AbortSignal): Promise<ParcelSet> {
  return get<ParcelSet>(path(set), {}, signal);
}

export function parcel(set: string, id: string, signal?: AbortSignal): Promise<Parcel> {
  return get<Parcel>(path(set, "items", id), {}, signal);
}

export function parcelsIn(set: string, bbox: number[], limit: number, signal?: AbortSignal): Promise<FeatureCollection<Parcel["geometry"], Parcel["properties"]>> {
  return get(path(set, "items"), { bbox: bbox.map((degrees) => degrees.toFixed(7)).join(","), limit }, signal);
}

export function series(set: string, id: string, question: Record<string, string>, signal?: AbortSignal): Promise<Series> {
  return get<Series>(path(set, id, "series"), question, signal);
}

/** The rows of several parcels, as CSV. */
export function seriesOf(set: string, ids: string[], question: Record<string, string>, signal?: AbortSignal): Promise<string> {
  return postForText(path(set, "series"), { ids, format: "csv", ...question }, signal);
}

/** Whether there are vector tiles of a set; a server without them has the parcels as GeoJSON. */
export function hasTiles(): Promise<boolean> {
  return hasPath(/^\/parcels\/\{[^}]+\}\/tiles\//);
}

export { path as parcelPath };
