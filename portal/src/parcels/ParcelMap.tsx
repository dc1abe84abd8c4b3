/** The parcels of a set on the map: vector tiles, or what lies in view where the server has none. */
import type { FeatureCollection } from "geojson";
import type { ExpressionSpecification, Map as GlMap } from "maplibre-gl";
import { useMemo } from "preact/hooks";
import { type Parcel, hasTiles, parcelPath } from "../api/parcels";
import { address } from "../api/client";
import { useLoad } from "../app/load";
import { change } from "../app/route";
import type { Theme } from "../app/theme";
import { type Content, MapView } from "../map/MapView";
import { CROP_HUES, CROP_OPACITY, cropColour, palettes } from "../map/palette";
import { texts } from "../texts";

/** The layer within our vector tiles. */
const TILE_LAYER = "parcels";
const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };

interface Props {
  set: string;
  theme: Theme;
  query: URLSearchParams;
  parcel?: Parcel;
  bounds?: [number, number, number, number];
  /** What is drawn where the server has no tiles. */
  inView?: FeatureCollection;
  /** Called with west, south, east and north of what is shown, and where that changes. */
  onView: (bbox: number[]) => void;
}

export default function ParcelMap({ set, theme, query, parcel, bounds, inView, onView }: Props) {
  const tiles = useLoad("tiles", hasTiles);
  const content = useMemo(() => parcelContent(set, tiles.value, inView, parcel, theme), [set, tiles.value, inView, parcel, theme]);
  const look = (of: GlMap) => onView(of.getBounds().toArray().flat());
  return (
    <MapView
      theme={theme}
      label={texts.parcels.map}
      content={content}
      bounds={bounds}
      at={query.get("at")}
      onMoved={(at, of) => {
        change({ at }, "replace");
        look(of);
      }}
      onReady={look}
      onClick={(event, of) => {
        const [hit] = of.queryRenderedFeatures(event.point, { layers: ["parcels-fill"] });
        if (hit) change({ id: String(hit.properties.id ?? hit.properties.parcel_id), t: null });
      }}
    />
  );
}

function parcelContent(set: string, isTiled: boolean | undefined, inView: FeatureCollection | undefined, parcel: Parcel | undefined, theme: Theme): Content {
  const colours = palettes[theme];
  const source = isTiled
    ? { type: "vector" as const, tiles: [`${address(parcelPath(set, "tiles"))}/{z}/{x}/{y}.mvt`], maxzoom: 14 }
    : { type: "geojson" as const, data: isTiled === false && inView ? inView : NOTHING };
  const layer = isTiled ? { "source-layer": TILE_LAYER } : {};
  return {
    sources: { [isTiled ? "parcel-tiles" : "parcels"]: source, parcel: { type: "geojson", data: parcel ?? NOTHING } },
    layers: [
      { id: "parcels-fill", type: "fill", source: isTiled ? "parcel-tiles" : "parcels", ...layer, paint: { "fill-color": colourOfCrop(theme), "fill-opacity": CROP_OPACITY } },
      // Above some zooms tiles have squares with how much lies in them instead.
      ...(isTiled ? [{ id: "cells", type: "fill" as const, source: "parcel-tiles", "source-layer": "cells", paint: { "fill-color": colours.parcel, "fill-opacity": 0.45 } }] : []),
      { id: "parcels-line", type: "line", source: isTiled ? "parcel-tiles" : "parcels", ...layer, paint: { "line-color": colours.parcel, "line-width": 0.8 } },
      { id: "parcel", type: "line", source: "parcel", paint: { "line-color": colours.chosen, "line-width": 3 } },
    ],
  };
}

/** [`cropStep`] as MapLibre says it. */
function colourOfCrop(theme: Theme): ExpressionSpecification {
  const hues = Array.from({ length: CROP_HUES }, (_, step) => cropColour(step, theme));
  const digits: ExpressionSpecification = ["to-number", ["get", "crop_code"], 0];
  const stops = hues.flatMap((colour, step) => (step === 0 ? [] : [step, colour]));
  return ["step", ["%", ["*", digits, 7], CROP_HUES], hues[0]!, ...stops] as ExpressionSpecification;
}
