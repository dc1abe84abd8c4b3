/** A MapLibre map whose sources and layers are those that are named; nothing else knows MapLibre's state. */
import type { GeoJSONSource, LayerSpecification, MapMouseEvent, SourceSpecification } from "maplibre-gl";
import { AttributionControl, Map as GlMap, NavigationControl, ScaleControl, setWorkerUrl } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import "maplibre-gl/dist/maplibre-gl.css";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Theme } from "../app/theme";
import { texts } from "../texts";
import { backdropLayers, backdropSources, followView } from "./backdrop";
import { palettes } from "./palette";

// A worker of the same origin: no address made up for it has to be allowed.
setWorkerUrl(workerUrl);

/** What lies on the map, the lowest layer first. */
export interface Content {
  sources: Record<string, SourceSpecification>;
  layers: LayerSpecification[];
}

interface Props {
  label: string;
  theme: Theme;
  content: Content;
  /** West, south, east, north: where to look first, and where this changes. */
  bounds?: [number, number, number, number];
  /** `longitude,latitude,zoom` of a link: goes before the first bounds. */
  at?: string | null;
  onMoved?: (at: string, map: GlMap) => void;
  onReady?: (map: GlMap) => void;
  onClick?: (event: MapMouseEvent, map: GlMap) => void;
  class?: string;
  children?: ComponentChildren;
}

/** Space around bounds, in CSS pixels. */
const PADDING_PX = 40;
/** Nearest first look: a field, not its pixels. */
const FIT_ZOOM_MAX = 15;

export function MapView(props: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [map, setMap] = useState<GlMap>();
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    if (!box.current) return;
    const made = new GlMap({
      container: box.current,
      style: { version: 8, sources: {}, transition: { duration: 0 }, layers: [{ id: "ground", type: "background", paint: { "background-color": palettes[props.theme].ground } }] },
      bounds: props.bounds ?? [-25, 30, 45, 70],
      fitBoundsOptions: { padding: PADDING_PX, maxZoom: FIT_ZOOM_MAX },
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      maxZoom: 19,
      fadeDuration: 0,
      locale: texts.map.controls,
    });
    const view = viewOf(props.at);
    if (view) made.jumpTo(view);
    made.touchZoomRotate.disableRotation();
    made.addControl(new NavigationControl({ showCompass: false }), "top-right");
    made.addControl(new ScaleControl({ maxWidth: 120 }), "bottom-right");
    made.addControl(new AttributionControl({ compact: true, customAttribution: "MapLibre" }), "bottom-right");
    made.getCanvas().setAttribute("aria-label", props.label);
    made.on("load", () => {
      setMap(made);
      latest.current.onReady?.(made);
    });
    // Tells whoever looks from outside that all of the view is drawn; an empty map is idle, too, before there is content.
    made.on("idle", () => shown.has(made) && box.current?.setAttribute("data-idle", ""));
    made.on("dataloading", () => box.current?.removeAttribute("data-idle"));
    made.on("moveend", () => {
      const { lng, lat } = made.getCenter();
      latest.current.onMoved?.(`${lng.toFixed(5)},${lat.toFixed(5)},${made.getZoom().toFixed(2)}`, made);
    });
    made.on("click", (event) => latest.current.onClick?.(event, made));
    const stop = followView(made);
    return () => {
      stop();
      made.remove();
    };
  }, []);

  useEffect(() => {
    if (map) show(map, props.content, props.theme);
  }, [map, props.content, props.theme]);

  const bounds = props.bounds?.join();
  // A link that says where to look is not overruled by what it finds there.
  const isPlaced = useRef(viewOf(props.at) !== undefined);
  useEffect(() => {
    if (!map || !props.bounds) return;
    if (isPlaced.current) isPlaced.current = false;
    else map.fitBounds(props.bounds, { padding: PADDING_PX, maxZoom: FIT_ZOOM_MAX, duration: 0 });
  }, [map, bounds]);

  return (
    <div class={`map ${props.class ?? ""}`}>
      <div class="map-box" ref={box} />
      {props.children}
    </div>
  );
}

function viewOf(at: string | null | undefined): { center: [number, number]; zoom: number } | undefined {
  const [lon, lat, zoom] = (at ?? "").split(",").map(Number);
  const isSound = Number.isFinite(lon) && Math.abs(lat ?? NaN) <= 90 && Number.isFinite(zoom);
  return isSound ? { center: [lon!, lat!], zoom: zoom! } : undefined;
}

/** What [`show`] put on each map; sources and layers of others, such as a drawing, are left alone. */
const shown = new WeakMap<GlMap, Content>();

/** Makes the map show the content: adds, changes, takes away, and leaves what is the same. */
function show(map: GlMap, content: Content, theme: Theme): void {
  const before = shown.get(map) ?? { sources: {}, layers: [{ id: "ground", type: "background" }] };
  const after: Content = {
    sources: { ...backdropSources(map), ...content.sources },
    layers: [...backdropLayers(palettes[theme]), ...content.layers],
  };
  const staying = stayingLayers(before.layers, after.layers);
  for (const { id } of before.layers) if (!staying.has(id)) map.removeLayer(id);
  for (const id of Object.keys(before.sources)) if (!after.sources[id]) map.removeSource(id);
  for (const [id, source] of Object.entries(after.sources)) {
    const held = before.sources[id];
    if (!held) map.addSource(id, source);
    else if (source.type === "geojson" && held.type === "geojson" && source.data !== held.data) map.getSource<GeoJSONSource>(id)?.setData(source.data);
  }
  // From the highest down; what others put on the map stays above.
  let above = map.getLayersOrder().find((id) => !staying.has(id));
  for (const layer of [...after.layers].reverse()) {
    const held = staying.get(layer.id);
    if (held) repaint(map, held, layer);
    else map.addLayer(layer, above);
    above = layer.id;
  }
  shown.set(map, after);
}

/** Layers, as they were, that only need other colours and widths: one taken away and laid anew flickers. */
function stayingLayers(before: LayerSpecification[], after: LayerSpecification[]): Map<string, LayerSpecification> {
  const shape = (layer: LayerSpecification) => JSON.stringify({ ...layer, paint: undefined });
  const shapes = new Set(after.map(shape));
  const staying = before.filter((layer) => shapes.has(shape(layer)));
  const ids = new Map(staying.map((layer) => [layer.id, layer]));
  const isInOrder = after.filter(({ id }) => ids.has(id)).every(({ id }, index) => staying[index]?.id === id);
  return isInOrder ? ids : new Map();
}

function repaint(map: GlMap, before: LayerSpecification, after: LayerSpecification): void {
  const [old, paint] = [before.paint ?? {}, after.paint ?? {}] as Record<string, unknown>[];
  for (const name of Object.keys({ ...old, ...paint })) {
    if (JSON.stringify(old![name]) !== JSON.stringify(paint![name])) map.setPaintProperty(after.id, name as never, paint![name] as never);
  }
}
