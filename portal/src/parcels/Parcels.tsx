/** Parcels: find one, read its season, look at its pictures, compare it with its like. */
import { useMemo, useState } from "preact/hooks";
import { parcel as fetchParcel, parcelSet, parcelSets } from "../api/parcels";
import { useLoad } from "../app/load";
import { change } from "../app/route";
import type { Theme } from "../app/theme";
import { number } from "../app/words";
import { bboxOf } from "../search/place";
import { texts } from "../texts";
import { ParcelPage } from "./ParcelPage";
import { ParcelsInView } from "./ParcelsInView";

const words = texts.parcels;

export default function Parcels({ query, theme }: { query: URLSearchParams; theme: Theme }) {
  const sets = useLoad("sets", parcelSets);
  const name = query.get("set") ?? sets.value?.[0]?.name ?? null;
  const asked = useLoad(name, (signal) => parcelSet(name!, signal));
  // Not the set before, while another is fetched.
  const set = asked.value?.name === name?.split("@")[0] ? asked.value : undefined;
  const version = set && `${set.name}@${set.version ?? 1}`;
  const id = query.get("id");
  const parcel = useLoad(name && id ? `${name}/${id}` : null, (signal) => fetchParcel(name!, id!, signal));
  const error = asked.error ?? parcel.error;
  // The parcel whose chart is there.
  const [charted, setCharted] = useState<string>();
  const shown = parcel.value && String(parcel.value.id) === id ? parcel.value : undefined;
  const whole = set?.versions.find(({ number: of }) => of === set.version)?.bbox;
  const bounds = useMemo(() => (shown ? bboxOf(shown.geometry) : whole), [shown, whole?.join()]);
  if (sets.error) return <p class="note pad error" role="alert">{sets.error.message}</p>;
  if (sets.value?.length === 0) return <Empty />;
  return (
    <div class="split wide-side">
      <section class="side" aria-label={words.tools}>
        <form
          class="row pad-small"
          role="search"
          aria-label={words.find}
          onSubmit={(event) => {
            event.preventDefault();
            change({ id: String(new FormData(event.currentTarget).get("id")).trim(), t: null, at: null });
          }}
        >
          <select aria-label={words.set} value={name ?? ""} onChange={(event) => change({ set: event.currentTarget.value, id: null, at: null })}>
            {(sets.value ?? []).map((one) => (
              <option key={one.name} value={one.name}>{words.setOption(one.name, number(one.versions[one.versions.length - 1]?.parcels ?? 0))}</option>
            ))}
          </select>
          <input type="search" name="id" key={id} defaultValue={id ?? ""} placeholder={words.id} aria-label={words.id} required />
          <button type="submit" class="main">{words.go}</button>
        </form>
        <div class="panel" id="parcel">
          {error && <p class="note error" role="alert">{error.message}</p>}
          {!id && <p class="note">{words.choose}</p>}
          {set && id && !error && <ParcelPage key={id} set={set} id={id} parcel={shown} query={query} onSeason={() => setCharted(id)} />}
        </div>
      </section>
      <section class="stage" aria-label={words.map}>
        {version && <ParcelsInView key={version} set={version} theme={theme} query={query} parcel={shown} bounds={bounds} isAwaited={id !== null && id !== charted && !error} />}
      </section>
    </div>
  );
}

function Empty() {
  return (
    <div class="empty">
      <h1>{words.empty.title}</h1>
      <p>{words.empty.text}</p>
      <pre>{words.empty.command}</pre>
    </div>
  );
}
