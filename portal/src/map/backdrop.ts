/** The graticule on a map: follows the view. */
import type { GeoJSONSource, LayerSpecification, Map as GlMap, SourceSpecification } from "maplibre-gl";
import { graticule } from "./graticule";
import type { Palette } from "./palette";

export function backdropSources(map: GlMap): Record<string, SourceSpecification> {
  const { lines, labels } = ofView(map);
  return { graticule: { type: "geojson", data: lines }, "graticule-labels": { type: "geojson", data: labels } };
}

export function backdropLayers(palette: Palette): LayerSpecification[] {
  return [
    { id: "ground", type: "background", paint: { "background-color": palette.ground } },
    { id: "graticule", type: "line", source: "graticule", paint: { "line-color": palette.line, "line-width": 1 } },
    {
      id: "graticule-labels",
      type: "symbol",
      source: "graticule-labels",
      layout: { "text-field": ["get", "name"], "text-size": 10, "text-anchor": ["get", "anchor"] as never, "text-offset": [0.3, -0.3], "text-allow-overlap": true },
      paint: { "text-color": palette.label, "text-halo-color": palette.ground, "text-halo-width": 1 },
    },
  ];
}

/** Draws the graticule anew after each move; returns what ends that. */
export function followView(map: GlMap): () => void {
  const draw = () => {
    const { lines, labels } = ofView(map);
    map.getSource<GeoJSONSource>("graticule")?.setData(lines);
    map.getSource<GeoJSONSource>("graticule-labels")?.setData(labels);
  };
  map.on("moveend", draw);
  return () => map.off("moveend", draw);
}

function ofView(map: GlMap) {
  const bounds = map.getBounds();
  return graticule({ west: bounds.getWest(), south: bounds.getSouth(), east: bounds.getEast(), north: bounds.getNorth() });
}
