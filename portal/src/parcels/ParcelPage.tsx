/** What there is of one parcel: its season first, which needs its id alone. */
import { useEffect } from "preact/hooks";
import { type Parcel, type ParcelSet, parcelPath } from "../api/parcels";
import { address } from "../api/client";
import { Facts } from "../app/Facts";
import { useLoad } from "../app/load";
import { change } from "../app/route";
import { hectares } from "../app/words";
import { texts } from "../texts";
import { Chips } from "./Chips";
import { type Peer, peers, spreadOf } from "./peers";
import { CLEAR_MIN, GAP_DAYS, INDICES, type Panel, season } from "./season";
import { SeasonChart } from "./SeasonChart";

const words = texts.parcels;
/** Attributes that stand in the head. */
const SAID = new Set(["id", "area_m2", "parcel_id"]);

interface Props {
  set: ParcelSet;
  id: string;
  /** Comes later than the id. */
  parcel?: Parcel;
  query: URLSearchParams;
  /** Called when the chart is there, or why there is none. */
  onSeason: () => void;
}

export function ParcelPage({ set, id, parcel, query, onSeason }: Props) {
  const version = `${set.name}@${set.version ?? 1}`;
  const index = INDICES.find((name) => name === query.get("index")) ?? "NDVI";
  const found = useLoad(`${version}/${id}/${index}`, (signal) => season(set, id, index, signal));
  const optical = found.value?.flatMap(({ lines }) => lines).find(({ isOptical }) => isOptical)?.collection;
  const isSettled = !found.isLoading || found.value !== undefined;
  useEffect(() => {
    if (isSettled) onSeason();
  }, [isSettled]);
  // Peers are many: the chart does not share the way with them.
  const alike = useLoad(parcel && isSettled ? `${version}/${id}` : null, (signal) => peers(version, parcel!, signal));
  const ids = (alike.value ?? []).map((peer) => peer.id);
  const spread = useLoad(optical && ids.length > 0 ? `${index} ${ids.join()}` : null, (signal) => spreadOf(version, ids, optical!, index, signal));
  const properties = parcel?.properties ?? {};
  return (
    <article class="parcel">
      <h1>
        {words.parcel} {id}
      </h1>
      <p class="note">
        {[properties.crop_name ?? properties.crop_code, hectares(properties.area_m2), version].filter(Boolean).join(" · ")}
      </p>
      <div class="row">
        <label class="inline">
          {words.index}
          <select value={index} onChange={(event) => change({ index: event.currentTarget.value }, "replace")}>
            {INDICES.map((name) => <option key={name} value={name}>{name}</option>)}
          </select>
        </label>
        <a href={address(parcelPath(version, id, "series"), { format: "csv" })}>{words.csv}</a>
      </div>
      {found.error && <p class="note error" role="alert">{found.error.message}</p>}
      {found.isLoading && !found.value && <p class="note">{texts.loading}</p>}
      {found.value?.length === 0 && <p class="note">{words.noSeries}</p>}
      {found.value && found.value.length > 0 && (
        <SeasonChart panels={found.value} spread={spread.value} chosen={query.get("t")} choose={(day) => change({ t: day }, "replace")} />
      )}
      {found.value && found.value.length > 0 && <Key panels={found.value} hasSpread={spread.value !== undefined && spread.value.length > 0} />}
      <Chips set={version} id={id} query={query} />
      <Peers found={alike.value} error={alike.error} />
      <section>
        <h2>{words.attributes}</h2>
        <Facts facts={properties} except={SAID} />
      </section>
    </article>
  );
}

/** What the marks of the chart mean, those that are there. */
function Key({ panels, hasSpread }: { panels: Panel[]; hasSpread: boolean }) {
  const lines = panels.flatMap((panel) => panel.lines);
  return (
    <p class="key">
      <span class="mark seen" /> {words.key.clear}
      {lines.some(({ points }) => points.some(({ clear }) => clear < CLEAR_MIN)) && <><span class="mark cloudy" /> {words.key.cloudy}</>}
      {panels.some(({ gaps }) => gaps.length > 0) && <><span class="mark gap" /> {words.key.gap(GAP_DAYS)}</>}
      {hasSpread && <><span class="mark spread" /> {words.key.spread}</>}
      {lines.some(({ isOptical }) => !isOptical) && <><br />{words.key.orbits}</>}
    </p>
  );
}

function Peers({ found, error }: { found?: Peer[]; error?: Error }) {
  return (
    <section>
      <h2>{words.peers.title}</h2>
      {error && <p class="note error" role="alert">{error.message}</p>}
      {found?.length === 0 && <p class="note">{words.peers.none}</p>}
      <p class="flow">
        {(found ?? []).map((peer) => (
          <button key={peer.id} type="button" class="link" title={words.peers.away(peer.kilometres)} onClick={() => change({ id: peer.id, at: null })}>
            {peer.id}
          </button>
        ))}
      </p>
    </section>
  );
}
