/** What is drawn under the footprints: layer, style, date; a second date compares. */
import { aggregate } from "../api/stac";
import { useLoad } from "../app/load";
import { change } from "../app/route";
import { day } from "../app/words";
import { type TileLayer, stylesOf } from "../map/imagery";
import { texts } from "../texts";
import { searchBody } from "./question";

const words = texts.explore.layers;

export function LayerPanel({ query, layers, isKnown }: { query: URLSearchParams; layers?: TileLayer[]; isKnown: boolean }) {
  const shown = query.get("show") ?? "";
  const collection = shown.split(":")[0] ?? "";
  const place = searchBody(new URLSearchParams(query.has("aoi") ? { aoi: query.get("aoi")! } : {}));
  const body = { ...place, collections: [collection] };
  const found = useLoad(collection && !shown.includes(":") ? JSON.stringify(body) : null, (signal) => aggregate(["datetime_day_frequency"], body, signal));
  const days = (found.value?.datetime_day_frequency?.buckets ?? []).map(({ key }) => day(key));
  if (isKnown && !layers) return <p class="note">{words.none}</p>;
  if (!layers) return <p class="note">{texts.loading}</p>;
  if (layers.length === 0) return <p class="note">{words.empty}</p>;
  const names = layers.map(({ name }) => name);
  const styles = stylesOf(layers.find(({ name }) => name === shown || name === collection));
  return (
    <div class="form">
      <label>
        {words.layer}
        <select name="show" value={shown} onChange={(event) => change({ show: event.currentTarget.value, t: null, t2: null, style: null })}>
          <option value="">{words.no}</option>
          {shown && !names.includes(shown) && <option value={shown}>{shown.split(":")[1] ?? shown}</option>}
          {layers.map(({ name, title }) => (
            <option key={name} value={name}>{title ?? name}</option>
          ))}
        </select>
      </label>
      {shown && styles.length > 0 && (
        <label>
          {words.style}
          <select name="style" value={query.get("style") ?? ""} onChange={(event) => change({ style: event.currentTarget.value })}>
            <option value="">{words.usual}</option>
            {styles.map(({ name, title }) => <option key={name} value={name}>{title}</option>)}
          </select>
        </label>
      )}
      {days.length > 0 && <DaySlider name="t" label={words.date} days={days} query={query} />}
      {days.length > 1 && (
        <>
          <label class="box">
            <input
              type="checkbox"
              name="compare"
              checked={query.has("t2")}
              onChange={(event) => change(event.currentTarget.checked ? { t: query.get("t") ?? days[0]!, t2: days[days.length - 1]! } : { t2: null })}
            />{" "}
            {words.compare}
          </label>
          {query.has("t2") && <DaySlider name="t2" label={words.other} days={days} query={query} />}
        </>
      )}
    </div>
  );
}

function DaySlider({ name, label, days, query }: { name: "t" | "t2"; label: string; days: string[]; query: URLSearchParams }) {
  const chosen = query.get(name);
  const at = chosen ? days.indexOf(chosen) : days.length - 1;
  const set = (index: number) => change({ [name]: days[Math.min(Math.max(index, 0), days.length - 1)]! }, "replace");
  return (
    <div class="slider">
      <label>
        {label}: <output>{chosen ?? words.newest}</output>
        <input type="range" name={name} min="0" max={days.length - 1} step="1" value={at < 0 ? days.length - 1 : at} aria-valuetext={chosen ?? words.newest} onInput={(event) => set(Number(event.currentTarget.value))} />
      </label>
      <div class="row">
        <button type="button" aria-label={words.before} onClick={() => set((at < 0 ? days.length : at) - 1)}>‹</button>
        <button type="button" aria-label={words.after} onClick={() => set(at + 1)}>›</button>
        <span class="dim">{words.days(days.length)}</span>
      </div>
    </div>
  );
}
