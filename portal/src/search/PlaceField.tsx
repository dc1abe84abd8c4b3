/** The place of a search: drawn, from a file, or what the map shows. */
import type { Map as GlMap } from "maplibre-gl";
import { useRef, useState } from "preact/hooks";
import { change } from "../app/route";
import type { Theme } from "../app/theme";
import { draw } from "../map/draw";
import { palettes } from "../map/palette";
import { texts } from "../texts";
import { placeFromGeoJson, placeToText } from "./place";

const words = texts.explore.form;

export function PlaceField({ query, map, theme }: { query: URLSearchParams; map?: GlMap; theme: Theme }) {
  const [note, setNote] = useState("");
  const file = useRef<HTMLInputElement>(null);
  const upload = async () => {
    const [picked] = file.current?.files ?? [];
    if (!picked) return;
    const read = placeFromGeoJson(await picked.text());
    setNote(read ? (read.isThinned ? words.thinned : "") : words.noPlace);
    if (read) change({ aoi: placeToText(read.place), page: null });
    if (file.current) file.current.value = "";
  };
  const start = () => {
    if (!map) return;
    setNote(words.drawing);
    draw(map, palettes[theme].place, (drawn) => {
      setNote("");
      if (drawn) change({ aoi: placeToText(drawn), page: null });
    });
  };
  const ofView = () => {
    if (!map) return;
    const view = map.getBounds();
    const [west, east] = [Math.max(view.getWest(), -180), Math.min(view.getEast(), 180)];
    const [south, north] = [Math.max(view.getSouth(), -90), Math.min(view.getNorth(), 90)];
    change({ aoi: placeToText({ type: "Polygon", coordinates: [[[west, south], [east, south], [east, north], [west, north], [west, south]]] }), page: null });
  };
  return (
    <fieldset>
      <legend>{words.place}</legend>
      <div class="row">
        <button type="button" onClick={start} disabled={!map}>
          {words.draw}
        </button>
        <button type="button" onClick={() => file.current?.click()}>
          {words.upload}
        </button>
        <button type="button" onClick={ofView} disabled={!map}>
          {words.view}
        </button>
        {query.has("aoi") && (
          <button type="button" class="quiet" onClick={() => change({ aoi: null, page: null })}>
            {words.anywhere}
          </button>
        )}
      </div>
      <input ref={file} type="file" hidden accept=".json,.geojson,application/geo+json" aria-label={words.upload} onChange={upload} />
      {note && (
        <p class="note" role="status">
          {note}
        </p>
      )}
    </fieldset>
  );
}
