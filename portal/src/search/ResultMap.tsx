/** Footprints, the place, and pictures on the map; two maps where dates are compared. */
import type { Map as GlMap } from "maplibre-gl";
import { useMemo } from "preact/hooks";
import type { Item } from "../api/stac";
import { change } from "../app/route";
import type { Theme } from "../app/theme";
import { Compare } from "../map/Compare";
import { type Picture, TILE_PX, tileUrl } from "../map/imagery";
import { type Content, MapView } from "../map/MapView";
import { palettes } from "../map/palette";
import { texts } from "../texts";
import { key } from "./basket";
import type { Place } from "./place";

/** Of all footprints over each other. */
const FILL_OPACITY_MAX = 0.25;

interface Props {
  query: URLSearchParams;
  theme: Theme;
  items: Item[];
  selected?: Item;
  place?: Place;
  bounds?: [number, number, number, number];
  hasPictures: boolean;
  onReady: (map: GlMap) => void;
}

export default function ResultMap({ query, theme, items, selected, place, bounds, hasPictures, onReady }: Props) {
  const layer = hasPictures ? query.get("show") : null;
  const [time, other, style] = [query.get("t") ?? undefined, query.get("t2") ?? undefined, query.get("style") ?? undefined];
  const vectors = useMemo(() => footprints(items, selected, place, theme), [items, selected, query.get("aoi"), theme]);
  const content = useMemo(() => withPicture(vectors, layer ? { layer, time, style } : undefined), [vectors, layer, time, style]);
  const right = useMemo(() => withPicture(vectors, layer ? { layer, time: other, style } : undefined), [vectors, layer, other, style]);
  if (layer && time && other) {
    return <Compare theme={theme} left={content} right={right} names={[time, other]} bounds={bounds} />;
  }
  return (
    <MapView
      theme={theme}
      label={texts.explore.map}
      content={content}
      bounds={bounds}
      at={query.get("at")}
      onMoved={(at) => change({ at }, "replace")}
      onReady={onReady}
      onClick={(event, map) => {
        if (map.getSource("drawing")) return;
        const [hit] = map.queryRenderedFeatures(event.point, { layers: ["footprints-fill"] });
        if (hit) change({ sel: String(hit.properties.key) }, "replace");
      }}
    />
  );
}

function footprints(items: Item[], selected: Item | undefined, place: Place | undefined, theme: Theme): Content {
  const colours = palettes[theme];
  const feature = (item: Item) => ({ type: "Feature" as const, properties: { key: key(item) }, geometry: item.geometry! });
  const collection = (all: Item[]) => ({ type: "FeatureCollection" as const, features: all.filter((item) => item.geometry).map(feature) });
  const places = place ? [{ type: "Feature" as const, properties: {}, geometry: place }] : [];
  return {
    sources: {
      footprints: { type: "geojson", data: collection(items) },
      selected: { type: "geojson", data: collection(selected ? [selected] : []) },
      place: { type: "geojson", data: { type: "FeatureCollection", features: places } },
    },
    layers: [
      // Many lie over each other: together they stay faint.
      { id: "footprints-fill", type: "fill", source: "footprints", paint: { "fill-color": colours.footprint, "fill-opacity": FILL_OPACITY_MAX / Math.max(items.length, 4) } },
      { id: "footprints", type: "line", source: "footprints", paint: { "line-color": colours.footprint, "line-width": 1 } },
      { id: "place", type: "line", source: "place", paint: { "line-color": colours.place, "line-width": 2, "line-dasharray": [3, 2] } },
      { id: "selected", type: "line", source: "selected", paint: { "line-color": colours.chosen, "line-width": 3 } },
    ],
  };
}

function withPicture(vectors: Content, picture: Picture | undefined): Content {
  if (!picture) return vectors;
  return {
    sources: { ...vectors.sources, [`picture ${tileUrl(picture)}`]: { type: "raster", tiles: [tileUrl(picture)], tileSize: TILE_PX } },
    // The colour of footprints would tint the picture; a click still finds them.
    layers: [{ id: "picture", type: "raster", source: `picture ${tileUrl(picture)}`, paint: { "raster-fade-duration": 0, "raster-resampling": "nearest" } }, ...vectors.layers.map(unfilled)],
  };
}

function unfilled(layer: Content["layers"][number]): Content["layers"][number] {
  return layer.type === "fill" ? { ...layer, paint: { ...layer.paint, "fill-opacity": 0 } } : layer;
}
