/** Collections: what is declared of each, how much of it is held, ways to use it. */
import { useMemo } from "preact/hooks";
import { address } from "../api/client";
import { type Collection, aggregate, collections } from "../api/stac";
import { useLoad } from "../app/load";
import { change } from "../app/route";
import { day, number, rectangle } from "../app/words";
import { texts } from "../texts";

const words = texts.collections;
/** The column of the table of assets that has a number. */
const PIXEL = 2;

export default function Collections({ query }: { query: URLSearchParams }) {
  const found = useLoad("collections", collections);
  const counts = useLoad("counts", (signal) => aggregate(["collection_frequency"], {}, signal));
  const held = useMemo(() => new Map((counts.value?.collection_frequency?.buckets ?? []).map(({ key, frequency }) => [key, frequency])), [counts.value]);
  const wanted = (query.get("q") ?? "").toLowerCase();
  const list = (found.value ?? [])
    .filter(({ id, title, keywords }) => [id, title, ...(keywords ?? [])].some((text) => text?.toLowerCase().includes(wanted)))
    .sort((a, b) => (held.get(b.id) ?? 0) - (held.get(a.id) ?? 0) || a.id.localeCompare(b.id));
  const chosen = list.find(({ id }) => id === query.get("id")) ?? list[0];
  return (
    <div class="split">
      <section class="side" aria-label={words.list}>
        <div class="pad-small">
          <input type="search" aria-label={words.find} placeholder={words.find} value={query.get("q") ?? ""} onInput={(event) => change({ q: event.currentTarget.value }, "replace")} />
        </div>
        <ul class="list choices panel">
          {list.map(({ id, title }) => (
            <li key={id}>
              <button type="button" aria-current={id === chosen?.id ? "true" : undefined} onClick={() => change({ id })}>
                <span>{title ?? id}</span>
                <span class="dim">{held.has(id) ? words.items(number(held.get(id)!)) : words.noItems}</span>
              </button>
            </li>
          ))}
        </ul>
      </section>
      <section class="stage text" aria-label={words.one}>
        {found.error && <p class="note error" role="alert">{found.error.message}</p>}
        {found.isLoading && <p class="note">{texts.loading}</p>}
        {chosen && <One collection={chosen} count={held.get(chosen.id) ?? 0} />}
      </section>
    </div>
  );
}

function One({ collection, count }: { collection: Collection; count: number }) {
  const { id, title, description, license, keywords, attribution, extent, providers } = collection;
  const [from, to] = extent.temporal.interval[0] ?? [];
  const facts: [string, string][] = [
    [words.held, words.items(number(count))],
    [words.time, `${day(from)} – ${day(to) || words.today}`],
    [words.place, rectangle(extent.spatial.bbox[0])],
    [words.license, [license, attribution].filter(Boolean).join(" · ")],
    [words.providers, (providers ?? []).map(({ name }) => name).join(", ")],
    [words.keywords, (keywords ?? []).join(", ")],
  ];
  const assets = Object.entries(collection.item_assets ?? {});
  return (
    <article class="page">
      <h1>{title ?? id}</h1>
      <p>{description}</p>
      <dl class="facts">
        <div><dt>{words.id}</dt><dd><code>{id}</code></dd></div>
        {facts.map(([name, value]) => value && <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
      </dl>
      <p class="row">
        <a class="button" href={`#/explore?c=${encodeURIComponent(id)}`}>{words.explore}</a>
        <a class="button" href={address(`stac/collections/${encodeURIComponent(id)}`)}>STAC</a>
        <a class="button" href={address(`stac/collections/${encodeURIComponent(id)}/queryables`)}>{words.queryables}</a>
      </p>
      {assets.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label={words.assets}>
          <table>
            <caption>{words.assets}</caption>
            <thead><tr>{words.columns.map((name, column) => <th key={name} scope="col" class={column === PIXEL ? "num" : undefined}>{name}</th>)}</tr></thead>
            <tbody>
              {assets.map(([name, asset]) => (
                <tr key={name}>
                  <td><code>{name}</code></td>
                  <td>{asset.title ?? asset.bands?.map((band) => band.description ?? band.name).join(", ")}</td>
                  <td class="num">{asset.gsd ? `${asset.gsd} m` : ""}</td>
                  <td>{asset.unit ?? ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </article>
  );
}
