/** STAC documents as the portal uses them: what OpenAPI says, with the properties that it leaves open. */
import type { Geometry } from "geojson";
import { get, post } from "./client";
import type { components } from "./openapi";

type Schemas = components["schemas"];

export interface Asset {
  href: string;
  title?: string;
  type?: string;
  roles?: string[];
  "file:size"?: number;
  bands?: { name: string }[];
}

export type Item = Omit<Schemas["Item"], "geometry" | "properties" | "assets" | "collection"> & {
  collection: string;
  geometry: Geometry | null;
  properties: { datetime: string | null; created?: string } & Record<string, unknown>;
  assets: Record<string, Asset>;
};

export interface Found {
  features: Item[];
  numberMatched?: number;
  links: { rel: string; body?: { token?: string } }[];
}

export type Collection = Schemas["Collection"] & {
  title?: string;
  keywords?: string[];
  attribution?: string;
  summaries?: Record<string, unknown>;
  item_assets?: Record<string, { title?: string; unit?: string; gsd?: number; bands?: { name: string; description?: string }[] }>;
  providers?: { name: string; roles?: string[]; url?: string }[];
  extent: { spatial: { bbox: number[][] }; temporal: { interval: (string | null)[][] } };
};

export interface Bucket {
  key: string;
  frequency: number;
}

export interface Aggregation {
  name: string;
  value?: number | string | null;
  overflow?: number;
  buckets?: Bucket[];
}

export type SearchBody = Record<string, unknown>;

export function search(body: SearchBody, signal?: AbortSignal): Promise<Found> {
  return post<Found>("stac/search", body, signal);
}

export async function aggregate(names: string[], body: SearchBody, signal?: AbortSignal): Promise<Record<string, Aggregation>> {
  const found = await post<{ aggregations: Aggregation[] }>("stac/aggregate", { ...body, aggregations: names }, signal);
  return Object.fromEntries(found.aggregations.map((aggregation) => [aggregation.name, aggregation]));
}

export async function collections(signal?: AbortSignal): Promise<Collection[]> {
  return (await get<{ collections: Collection[] }>("stac/collections", { limit: 1000 }, signal)).collections;
}

export function item(collection: string, id: string, signal?: AbortSignal): Promise<Item> {
  return get<Item>(`stac/collections/${encodeURIComponent(collection)}/items/${encodeURIComponent(id)}`, {}, signal);
}
