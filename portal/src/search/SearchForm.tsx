/** The form of Explore: what it says is the link, and the link is the search. */
import type { Map as GlMap } from "maplibre-gl";
import type { Collection } from "../api/stac";
import { change } from "../app/route";
import type { Theme } from "../app/theme";
import { number } from "../app/words";
import { texts } from "../texts";
import { PlaceField } from "./PlaceField";
import { FIELDS, SORTS } from "./question";

interface Props {
  query: URLSearchParams;
  collections: Collection[];
  /** Items by collection. */
  held: Map<string, number>;
  map?: GlMap;
  theme: Theme;
}

const words = texts.explore.form;

export function SearchForm({ query, collections, held, map, theme }: Props) {
  const chosen = new Set((query.get("c") ?? "").split(",").filter(Boolean));
  const heldFirst = [...collections].sort((a, b) => Number(held.has(b.id)) - Number(held.has(a.id)));
  const platforms = [...new Set(collections.filter(({ id }) => chosen.size === 0 || chosen.has(id)).flatMap(({ summaries }) => (summaries?.platform as string[] | undefined) ?? []))].sort();
  const set = (name: string) => (event: Event) => change({ [name]: (event.currentTarget as HTMLInputElement).value, page: null }, "replace");
  const toggle = (id: string) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    change({ c: [...next].join(","), page: null }, "replace");
  };
  const date = (name: "from" | "to" | "pfrom" | "pto") => (
    <label>
      {words[name]}
      <input type="date" name={name} value={query.get(name) ?? ""} onChange={set(name)} />
    </label>
  );
  return (
    <form class="form" onSubmit={(event) => event.preventDefault()} role="search" aria-label={words.title}>
      <label>
        {words.q}
        <input type="search" name="q" value={query.get("q") ?? ""} placeholder={words.qHint} onChange={set("q")} />
      </label>
      <fieldset class="boxes">
        <legend>{words.collections}</legend>
        {heldFirst.map(({ id, title }) => (
          <label key={id} class="box" title={id}>
            <input type="checkbox" checked={chosen.has(id)} onChange={() => toggle(id)} /> {title ?? id}
            {held.has(id) && <span class="dim">{number(held.get(id)!)}</span>}
          </label>
        ))}
      </fieldset>
      <div class="pair">
        {date("from")}
        {date("to")}
      </div>
      <PlaceField query={query} map={map} theme={theme} />
      <label>
        {words.cloud(query.get("cloud"))}
        <input type="range" name="cloud" min="0" max="100" step="5" value={query.get("cloud") ?? "100"} onChange={(event) => change({ cloud: event.currentTarget.value === "100" ? null : event.currentTarget.value, page: null }, "replace")} />
      </label>
      <label>
        {words.sort}
        <select name="sort" value={query.get("sort") ?? "newest"} onChange={set("sort")}>
          {Object.keys(SORTS).map((name) => (
            <option key={name} value={name}>
              {words.sorts[name as keyof typeof SORTS]}
            </option>
          ))}
        </select>
      </label>
      <details open={["pfrom", "pto", "orbit", "rel", "type", "held"].some((name) => query.has(name))}>
        <summary>{words.more}</summary>
        <div class="pair">
          {date("pfrom")}
          {date("pto")}
        </div>
        <div class="pair">
          <Choice name="orbit" query={query} options={["ascending", "descending"]} />
          <label>
            {words.rel}
            <input type="number" name="rel" min={1} max={255} value={query.get("rel") ?? ""} onChange={set("rel")} />
          </label>
        </div>
        <div class="pair">
          <Choice name="type" query={query} options={platforms} />
          <Choice name="held" query={query} options={["yes", "no"]} />
        </div>
      </details>
      <button type="button" class="quiet" onClick={() => change(Object.fromEntries([...FIELDS, "page", "sel"].map((name) => [name, null])))}>
        {words.clear}
      </button>
    </form>
  );
}

function Choice({ name, query, options }: { name: "orbit" | "type" | "held"; query: URLSearchParams; options: string[] }) {
  return (
    <label>
      {words[name]}
      <select name={name} value={query.get(name) ?? ""} onChange={(event) => change({ [name]: event.currentTarget.value, page: null }, "replace")}>
        <option value="">{words.any}</option>
        {options.map((option) => (
          <option key={option} value={option}>
            {words.option[option] ?? option}
          </option>
        ))}
      </select>
    </label>
  );
}
