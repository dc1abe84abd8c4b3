/** From the parameters of a link to the body of a STAC search. */
import type { Item, SearchBody } from "../api/stac";
import { placeFromText } from "./place";

/** Results of one page. */
export const PAGE_ITEMS = 100;

export const SORTS = {
  newest: [{ field: "properties.datetime", direction: "desc" }],
  oldest: [{ field: "properties.datetime", direction: "asc" }],
  clearest: [
    { field: "properties.eo:cloud_cover", direction: "asc" },
    { field: "properties.datetime", direction: "desc" },
  ],
  published: [{ field: "properties.created", direction: "desc" }],
} as const;
export type Sort = keyof typeof SORTS;
export const isSort = (text: string | null): text is Sort => text !== null && text in SORTS;

/** Parameters that the form sets. */
export const FIELDS = ["c", "q", "from", "to", "pfrom", "pto", "cloud", "orbit", "rel", "type", "held", "aoi", "sort"] as const;

export function hasQuestion(query: URLSearchParams): boolean {
  return FIELDS.some((field) => field !== "sort" && query.has(field));
}

type Filter = { op: string; args: unknown[] };

/** Builds a search; days are whole days of UTC, both ends included. */
export function searchBody(query: URLSearchParams): SearchBody {
  const body: SearchBody = {};
  const collections = query.get("c");
  if (collections) body.collections = collections.split(",");
  const [from, to] = [query.get("from"), query.get("to")];
  if (from || to) body.datetime = `${from ? `${from}T00:00:00Z` : ".."}/${to ? `${to}T23:59:59.999999Z` : ".."}`;
  const place = placeFromText(query.get("aoi"));
  if (place) body.intersects = place;
  const filters = filtersOf(query);
  if (filters.length > 0) {
    body.filter = filters.length === 1 ? filters[0] : { op: "and", args: filters };
    body["filter-lang"] = "cql2-json";
  }
  return body;
}

export function pageBody(query: URLSearchParams, token?: string): SearchBody {
  const sort = query.get("sort");
  const body = { ...searchBody(query), limit: PAGE_ITEMS, sortby: SORTS[isSort(sort) ? sort : "newest"] };
  return token ? { ...body, token } : body;
}

function filtersOf(query: URLSearchParams): Filter[] {
  const filters: Filter[] = [];
  const compare = (op: string, property: string, value: unknown) => filters.push({ op, args: [{ property }, value] });
  const cloud = query.get("cloud");
  if (cloud) compare("<=", "eo:cloud_cover", Number(cloud));
  const orbit = query.get("orbit");
  if (orbit) compare("=", "sat:orbit_state", orbit);
  const relative = query.get("rel");
  if (relative) compare("=", "sat:relative_orbit", Number(relative));
  const platform = query.get("type");
  if (platform) compare("=", "platform", platform);
  const [after, before] = [query.get("pfrom"), query.get("pto")];
  if (after) compare(">=", "created", { timestamp: `${after}T00:00:00Z` });
  if (before) compare("<=", "created", { timestamp: `${before}T23:59:59.999999Z` });
  for (const word of (query.get("q") ?? "").split(/\s+/).filter(Boolean)) filters.push(wordFilter(word));
  return filters;
}

/** A word may stand in the name, the collection, the platform or the tile. */
function wordFilter(word: string): Filter {
  const pattern = `%${word.replace(/[\\%_]/g, "\\$&")}%`;
  const like = (property: string) => ({
    op: "like",
    args: [
      { op: "casei", args: [{ property }] },
      { op: "casei", args: [pattern] },
    ],
  });
  return { op: "or", args: ["id", "collection", "platform", "grid:code"].map(like) };
}

/** Whether this server has the files of an item: their addresses are its own. */
export function isHeld(item: Item): boolean {
  return Object.values(item.assets).some((asset) => /\/(objects|eodata)\//.test(asset.href));
}

/** Bytes of all assets, where they say it. */
export function sizeOf(item: Item): number | undefined {
  const sizes = Object.values(item.assets).flatMap((asset) => asset["file:size"] ?? []);
  return sizes.length > 0 ? sizes.reduce((sum, bytes) => sum + bytes, 0) : undefined;
}
