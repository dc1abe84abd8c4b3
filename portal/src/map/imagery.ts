/** Layers of pictures: addresses of tiles, and what the server can draw. */
import { address, get } from "../api/client";
import { hasPath } from "../api/faces";

/** A layer as `/tiles` lists it. */
export interface TileLayer {
  name: string;
  title?: string;
  styles?: { name: string; title?: string }[];
}

export interface Picture {
  layer: string;
  time?: string;
  style?: string;
}

/** Pixels of a tile. */
export const TILE_PX = 256;

export function tileUrl({ layer, time, style }: Picture): string {
  const query = new URLSearchParams();
  if (time) query.set("time", time);
  if (style) query.set("style", style);
  const text = query.toString();
  // The braces are MapLibre's: they must not be encoded.
  return `${address(`tiles/${encodeURIComponent(layer)}/WebMercatorQuad/`)}{z}/{x}/{y}.png${text ? `?${text}` : ""}`;
}

export const itemLayer = (collection: string, id: string) => `${collection}:${id}`;

/** Returns the layers that the server draws, or undefined where it draws none. */
export async function tileLayers(signal?: AbortSignal): Promise<TileLayer[] | undefined> {
  if (!(await hasPath(/^\/tiles\/?$/))) return undefined;
  return (await get<{ layers: TileLayer[] }>("tiles", {}, signal)).layers;
}

/** Names of the styles of a layer with what people call them. */
export function stylesOf(layer: TileLayer | undefined): { name: string; title: string }[] {
  return (layer?.styles ?? []).map(({ name, title }) => ({ name, title: title ?? name }));
}
