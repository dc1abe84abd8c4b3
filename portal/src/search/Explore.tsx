/** Explore: find items, look at them, take them along. */
import type { Map as GlMap } from "maplibre-gl";
import { Suspense, lazy } from "preact/compat";
import { useMemo, useState } from "preact/hooks";
import { aggregate, collections, item as fetchItem, search } from "../api/stac";
import { useLater } from "../app/later";
import { useLoad } from "../app/load";
import { change } from "../app/route";
import type { Theme } from "../app/theme";
import { tileLayers } from "../map/imagery";
import { texts } from "../texts";
import { Basket } from "./Basket";
import { type Chosen, BASKET_MAX, basketText, key, readBasket } from "./basket";
import { ItemCard } from "./ItemCard";
import { LayerPanel } from "./LayerPanel";
import { bboxOf, placeFromText } from "./place";
import { hasQuestion, isHeld, pageBody } from "./question";
import { ResultTable } from "./ResultTable";
import { SearchForm } from "./SearchForm";

// The map is the largest part by far, and keeps the browser busy while it starts: the list comes first.
const ResultMap = lazy(() => import("./ResultMap"));
const TABS = ["search", "layers", "basket"] as const;

export default function Explore({ query, theme }: { query: URLSearchParams; theme: Theme }) {
  const known = useLoad("collections", collections);
  const frequency = useLoad("counts", (signal) => aggregate(["collection_frequency"], {}, signal));
  const counts = useMemo(() => new Map((frequency.value?.collection_frequency?.buckets ?? []).map((bucket) => [bucket.key, bucket.frequency])), [frequency.value]);
  const drawn = useLoad("layers", tileLayers);
  const [map, setMap] = useState<GlMap>();
  const tab = TABS.find((name) => name === query.get("tab")) ?? "search";
  // On a narrow screen a link to a search begins with what it finds.
  const [isFolded, setFolded] = useState(hasQuestion(query) && !query.has("tab"));
  const openTab = (name: (typeof TABS)[number]) => {
    setFolded(false);
    change({ tab: name === "search" ? null : name }, "replace");
  };
  const basket = useMemo(() => readBasket(query.get("basket")), [query.get("basket")]);

  const body = JSON.stringify(pageBody(query, query.get("page") ?? undefined));
  const found = useLoad(hasQuestion(query) ? body : null, (signal) => search(JSON.parse(body), signal));
  const isMapWanted = useLater(!found.isLoading);
  const held = query.get("held");
  const items = useMemo(() => {
    const all = found.value?.features ?? [];
    return held ? all.filter((item) => isHeld(item) === (held === "yes")) : all;
  }, [found.value, held]);

  const chosen = query.get("sel");
  const [selected] = readBasket(chosen);
  const inPage = items.find((item) => key(item) === chosen);
  const fetched = useLoad(selected && !inPage ? chosen : null, (signal) => fetchItem(selected!.collection, selected!.id, signal));
  const item = inPage ?? (fetched.value && key(fetched.value) === chosen ? fetched.value : undefined);

  const toggle = (one: Chosen) => {
    const rest = basket.filter((other) => key(other) !== key(one));
    const next = rest.length < basket.length ? rest : [...basket, { collection: one.collection, id: one.id }];
    change({ basket: basketText(next.slice(0, BASKET_MAX)) }, "replace");
  };
  const place = placeFromText(query.get("aoi"));
  const bounds = useMemo(() => {
    if (place) return bboxOf(place);
    const geometries = items.flatMap((one) => one.geometry ?? []);
    return geometries.length > 0 ? bboxOf({ type: "GeometryCollection", geometries }) : undefined;
  }, [items, query.get("aoi")]);
  const next = found.value?.links.find((link) => link.rel === "next")?.body?.token;

  return (
    <div class="split">
      <section class="side" aria-label={texts.explore.tools}>
        <div class="tabs" role="tablist">
          {TABS.map((name) => (
            <button key={name} type="button" role="tab" id={`tab-${name}`} aria-selected={name === tab} aria-controls="tab-panel" onClick={() => openTab(name)}>
              {texts.explore.tab[name]}
              {name === "basket" && basket.length > 0 ? <span class="count">{basket.length}</span> : null}
            </button>
          ))}
        </div>
        <div class={isFolded ? "panel folded" : "panel"} role="tabpanel" id="tab-panel" aria-labelledby={`tab-${tab}`} tabIndex={-1}>
          {tab === "search" && <SearchForm query={query} collections={known.value ?? []} held={counts} map={map} theme={theme} />}
          {tab === "layers" && <LayerPanel query={query} layers={drawn.value} isKnown={!drawn.isLoading} />}
          {tab === "basket" && <Basket chosen={basket} remove={toggle} />}
        </div>
      </section>
      <section class="stage" aria-label={texts.explore.results}>
        <div class="stage-map">
          <Suspense fallback={null}>
            {isMapWanted && <ResultMap query={query} theme={theme} items={items} selected={item} place={place} bounds={bounds} hasPictures={drawn.value !== undefined} onReady={setMap} />}
          </Suspense>
          {item && <ItemCard item={item} isInBasket={basket.some((one) => key(one) === chosen)} toggle={toggle} hasPictures={drawn.value !== undefined} />}
        </div>
        <ResultTable query={query} found={found} items={items} basket={basket} toggle={toggle} next={next} error={known.error ?? found.error} />
      </section>
    </div>
  );
}
