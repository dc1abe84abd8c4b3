/** The parcels of a set in view: on the map, and as a list, which comes first. */
import { Suspense, lazy } from "preact/compat";
import { useState } from "preact/hooks";
import { type Parcel, parcelsIn } from "../api/parcels";
import { useLater } from "../app/later";
import { useLoad } from "../app/load";
import type { Theme } from "../app/theme";
import { LISTED_MAX, ParcelList } from "./ParcelList";

// The map is the largest part by far, and keeps the browser busy while it starts: list and chart come first.
const ParcelMap = lazy(() => import("./ParcelMap"));
/** Most parcels of a view on the map; more are said to be missing. */
const IN_VIEW_MAX = 2000;

interface Props {
  set: string;
  theme: Theme;
  query: URLSearchParams;
  parcel?: Parcel;
  bounds?: [number, number, number, number];
  /** Whether the chart of a parcel is on its way: all of this waits for it. */
  isAwaited: boolean;
}

export function ParcelsInView({ set, theme, query, parcel, bounds, isAwaited }: Props) {
  // Until the map says what it shows, that is all of the set, where the link names no view.
  const [view, setView] = useState(query.has("id") || query.has("at") ? undefined : bounds?.join());
  const [isByMap, setByMap] = useState(false);
  const most = isByMap ? IN_VIEW_MAX : LISTED_MAX;
  const inView = useLoad(view ? `${set} ${view} ${most}` : null, (signal) => parcelsIn(set, view!.split(",").map(Number), most, signal));
  const isMapWanted = useLater(!isAwaited && !inView.isLoading);
  const look = (bbox: number[]) => {
    setView(bbox.map((degrees) => degrees.toFixed(6)).join());
    setByMap(true);
  };
  return (
    <>
      <div class="stage-map">
        <Suspense fallback={null}>
          {isMapWanted && <ParcelMap set={set} theme={theme} query={query} parcel={parcel} bounds={bounds} inView={inView.value} onView={look} />}
        </Suspense>
      </div>
      <ParcelList features={inView.value?.features} most={most} chosen={query.get("id")} theme={theme} />
    </>
  );
}
