/** The pictures of a parcel through its season: all on one sheet, one by itself for the chosen date. */
import { useState } from "preact/hooks";
import { address, get } from "../api/client";
import { hasPath } from "../api/faces";
import { parcelPath } from "../api/parcels";
import { useLoad } from "../app/load";
import { change } from "../app/route";
import { percent } from "../app/words";
import { texts } from "../texts";

const words = texts.parcels.chips;
const STYLES = ["natural", "ndvi", "s1"] as const;

interface ChipList {
  collection: string;
  chips: { datetime: string; item_id: string; valid?: number | null; hidden?: number | null }[];
}

/** Returns what pictures there are, or undefined where the server cuts none. */
async function chipsOf(set: string, id: string, style: string, signal: AbortSignal): Promise<ChipList | undefined> {
  if (!(await hasPath(/^\/parcels\/.*\/chips\.json$/))) return undefined;
  return get<ChipList>(parcelPath(set, id, "chips.json"), { style }, signal);
}

export function Chips({ set, id, query }: { set: string; id: string; query: URLSearchParams }) {
  const style = STYLES.find((name) => name === query.get("chips"));
  return (
    <section>
      <h2>
        <button type="button" class="quiet" aria-expanded={style !== undefined} onClick={() => change({ chips: style ? null : "natural" }, "replace")}>
          {style ? "▾" : "▸"} {words.title}
        </button>
      </h2>
      {style && <Sheet key={style} set={set} id={id} style={style} day={query.get("t")} />}
    </section>
  );
}

function Sheet({ set, id, style, day }: { set: string; id: string; style: (typeof STYLES)[number]; day: string | null }) {
  const found = useLoad(`${set}/${id}/${style}`, (signal) => chipsOf(set, id, style, signal));
  const [isDrawn, setDrawn] = useState(false);
  if (found.error) return <p class="note error" role="alert">{found.error.message}</p>;
  if (found.isLoading) return <p class="note">{texts.loading}</p>;
  if (!found.value) return <p class="note">{words.none}</p>;
  const { chips } = found.value;
  const chosen = chips.find(({ datetime }) => datetime.slice(0, 10) === day);
  const picture = (item?: string) => address(parcelPath(set, id, "chips.png"), { style, item });
  return (
    <>
      <div class="row">
        <label class="inline">
          {words.style}
          <select value={style} onChange={(event) => change({ chips: event.currentTarget.value }, "replace")}>
            {STYLES.map((name) => <option key={name} value={name}>{words.styles[name]}</option>)}
          </select>
        </label>
        <span class="dim">{words.dates(chips.length)}</span>
      </div>
      <ol class="dates" aria-label={words.list}>
        {chips.map(({ datetime, item_id, hidden }) => (
          <li key={item_id}>
            <button type="button" aria-pressed={datetime.slice(0, 10) === day} title={words.hidden(percent(hidden == null ? undefined : hidden * 100))} onClick={() => change({ t: datetime.slice(0, 10) }, "replace")}>
              {datetime.slice(5, 10)}
            </button>
          </li>
        ))}
      </ol>
      {chosen && <img class="chips" src={picture(chosen.item_id)} alt={words.one(chosen.datetime.slice(0, 10))} />}
      {!isDrawn && <p class="note">{texts.loading}</p>}
      <img class="chips sheet" src={picture()} alt={words.picture(id)} onLoad={() => setDrawn(true)} onError={() => setDrawn(true)} />
    </>
  );
}
