/** Drawing a polygon: a click sets a corner, a double click or Enter ends, Escape gives up. */
import type { Feature, FeatureCollection, LineString, Polygon } from "geojson";
import type { GeoJSONSource, Map as GlMap, MapMouseEvent } from "maplibre-gl";

const ID = "drawing";

export function draw(map: GlMap, colour: string, done: (drawn: Polygon | undefined) => void): () => void {
  const corners: [number, number][] = [];
  const shown = (extra?: [number, number]): FeatureCollection<LineString> => {
    const coordinates = [...corners, ...(extra ? [extra] : []), ...corners.slice(0, 1)];
    const feature: Feature<LineString> = { type: "Feature", properties: {}, geometry: { type: "LineString", coordinates } };
    return { type: "FeatureCollection", features: coordinates.length > 1 ? [feature] : [] };
  };
  const paint = (extra?: [number, number]) => map.getSource<GeoJSONSource>(ID)?.setData(shown(extra));
  const add = (event: MapMouseEvent) => {
    corners.push([event.lngLat.lng, event.lngLat.lat]);
    paint();
  };
  const hover = (event: MapMouseEvent) => paint([event.lngLat.lng, event.lngLat.lat]);
  const close = (event: MapMouseEvent) => {
    event.preventDefault();
    // A double click is two clicks first: they set the same corner twice.
    corners.pop();
    finish(true);
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "Enter") finish(true);
    if (event.key === "Escape") finish(false);
  };
  const stop = () => {
    map.off("click", add);
    map.off("mousemove", hover);
    map.off("dblclick", close);
    removeEventListener("keydown", press);
    if (map.getLayer(ID)) map.removeLayer(ID);
    if (map.getSource(ID)) map.removeSource(ID);
    map.getCanvas().style.cursor = "";
  };
  const finish = (isKept: boolean) => {
    stop();
    const first = corners[0];
    done(isKept && first && corners.length >= 3 ? { type: "Polygon", coordinates: [[...corners, first]] } : undefined);
  };
  map.addSource(ID, { type: "geojson", data: shown() });
  map.addLayer({ id: ID, type: "line", source: ID, paint: { "line-color": colour, "line-width": 2, "line-dasharray": [2, 1] } });
  map.getCanvas().style.cursor = "crosshair";
  map.on("click", add);
  map.on("mousemove", hover);
  map.on("dblclick", close);
  addEventListener("keydown", press);
  return stop;
}
