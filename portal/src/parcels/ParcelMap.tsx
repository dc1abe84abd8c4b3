/** The parcels of a set on the map: vector tiles, or what lies in view where the server has none. */
import type { FeatureCollection } from "geojson";
import type { ExpressionSpecification, Map as GlMap } from "maplibre-gl";
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Parcel, hasTiles, parcelPath, parcelsIn } from "../api/parcels";
import { address } from "../api/client";
import { useLoad } from "../app/load";
import { change } from "../app/route";
import type { Theme } from "../app/theme";
import { hectares } from "../app/words";
import { type Content, MapView } from "../map/MapView";
import { palettes } from "../map/palette";
import { texts } from "../texts";

/** Most parcels of a view without tiles; more are said to be missing. */
const IN_VIEW_MAX = 2000;
/** Rows of the list beside the map. */
const LISTED_MAX = 200;
/** The layer within our vector tiles. */
const TILE_LAYER = "parcels";
const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };

interface Props {
  set: string;
  theme: Theme;
  query: URLSearchParams;
  parcel?: Parcel;
  bounds?: [number, number, number, number];
}

export default function ParcelMap({ set, theme, query, parcel, bounds }: Props) {
  const tiles = useLoad("tiles", hasTiles);
  const [view, setView] = useState<string>();
  const inView = useLoad(view ? `${set} ${view}` : null, (signal) => parcelsIn(set, view!.split(",").map(Number), IN_VIEW_MAX, signal));
  const features = inView.value?.features ?? [];
  const content = useMemo(() => parcelContent(set, tiles.value, inView.value, parcel, theme), [set, tiles.value, inView.value, parcel, theme]);
  const [map, setMap] = useState<GlMap>();
  const look = (of: GlMap) => setView(of.getBounds().toArray().flat().map((degrees) => degrees.toFixed(6)).join());
  useEffect(() => {
    if (map) look(map);
  }, [map]);
  return (
    <>
      <div class="stage-map">
        <MapView
          theme={theme}
          label={texts.parcels.map}
          content={content}
          bounds={bounds}
          at={query.get("at")}
          onMoved={(at) => {
            change({ at }, "replace");
            if (map) look(map);
          }}
          onReady={setMap}
          onClick={(event, of) => {
            const [hit] = of.queryRenderedFeatures(event.point, { layers: ["parcels-fill"] });
            if (hit) change({ id: String(hit.properties.id ?? hit.properties.parcel_id), t: null });
          }}
        />
      </div>
      <div class="results">
        <div class="results-head">
          <h2><span role="status">{features.length >= IN_VIEW_MAX ? texts.parcels.tooMany(IN_VIEW_MAX) : texts.parcels.inView(features.length)}</span></h2>
        </div>
        <div class="scroll" tabIndex={0} role="region" aria-label={texts.parcels.list}>
          <table>
            <thead>
              <tr>{texts.parcels.columns.map((name) => <th key={name} scope="col">{name}</th>)}</tr>
            </thead>
            <tbody>
              {features.slice(0, LISTED_MAX).map(({ id, properties }) => (
                <tr key={String(id)} class={String(id) === query.get("id") ? "selected" : ""} onClick={() => change({ id: String(id), t: null })}>
                  <td><button type="button" class="link">{String(id)}</button></td>
                  <td>{properties.crop_name ?? properties.crop_code ?? ""}</td>
                  <td class="num">{hectares(properties.area_m2)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </div>
    </>
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
      { id: "parcels-fill", type: "fill", source: isTiled ? "parcel-tiles" : "parcels", ...layer, paint: { "fill-color": cropColour(theme), "fill-opacity": 0.55 } },
      // Above some zooms tiles have squares with how much lies in them instead.
      ...(isTiled ? [{ id: "cells", type: "fill" as const, source: "parcel-tiles", "source-layer": "cells", paint: { "fill-color": colours.parcel, "fill-opacity": 0.45 } }] : []),
      { id: "parcels-line", type: "line", source: isTiled ? "parcel-tiles" : "parcels", ...layer, paint: { "line-color": colours.parcel, "line-width": 0.8 } },
      { id: "parcel", type: "line", source: "parcel", paint: { "line-color": colours.chosen, "line-width": 3 } },
    ],
  };
}

/** A colour per crop: its code gives a place on the circle of hues. */
function cropColour(theme: Theme): ExpressionSpecification {
  const lightness = theme === "dark" ? 38 : 68;
  const hues = Array.from({ length: 12 }, (_, step) => `hsl(${step * 30} 38% ${lightness}%)`);
  const digits: ExpressionSpecification = ["to-number", ["get", "crop_code"], 0];
  const stops = hues.flatMap((colour, step) => (step === 0 ? [] : [step, colour]));
  return ["step", ["%", ["*", digits, 7], 12], hues[0]!, ...stops] as ExpressionSpecification;
}
