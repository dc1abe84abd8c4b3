/** What a search found, as a table: arrows move, Enter shows, the box puts into the basket. */
import type { Found, Item } from "../api/stac";
import type { Loaded } from "../app/load";
import { change } from "../app/route";
import { bytes, day, number, percent, time } from "../app/words";
import { texts } from "../texts";
import { type Chosen, key } from "./basket";
import { hasQuestion, isHeld, sizeOf } from "./question";

interface Props {
  query: URLSearchParams;
  found: Loaded<Found>;
  items: Item[];
  basket: Chosen[];
  toggle: (one: Chosen) => void;
  next?: string;
  error?: Error;
}

const words = texts.explore.table;
/** Columns of numbers, which stand to the right: clouds and size. */
const NUMBERS = new Set([3, 5]);

export function ResultTable({ query, found, items, basket, toggle, next, error }: Props) {
  const inBasket = new Set(basket.map(key));
  if (error) return <p class="note pad error" role="alert">{error.message}</p>;
  if (!hasQuestion(query)) return <Empty />;
  const matched = found.value?.numberMatched;
  return (
    <div class="results">
      <div class="results-head">
        <h2><span role="status">
          {found.isLoading && !found.value ? texts.loading : words.found(matched === undefined ? words.many : number(matched), items.length)}
        </span></h2>
        <span class="fill" />
        {query.has("page") && (
          <button type="button" onClick={() => change({ page: null, sel: null })}>
            {words.first}
          </button>
        )}
        {next && (
          <button type="button" onClick={() => change({ page: next, sel: null })}>
            {words.next}
          </button>
        )}
        <button type="button" onClick={() => items.filter((item) => !inBasket.has(key(item))).forEach(toggle)} disabled={items.length === 0}>
          {words.all}
        </button>
      </div>
      {found.value && items.length === 0 ? (
        <p class="note pad">{words.nothing}</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label={texts.explore.results}>
          <table>
            <thead>
              <tr>
                <th scope="col"><span class="hidden">{words.basket}</span></th>
                {words.columns.map((name, column) => (
                  <th key={name} scope="col" class={NUMBERS.has(column) ? "num" : undefined}>{name}</th>
                ))}
              </tr>
            </thead>
            <tbody onKeyDown={move}>
              {items.map((item) => (
                <Row key={key(item)} item={item} isSelected={query.get("sel") === key(item)} isInBasket={inBasket.has(key(item))} toggle={toggle} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

function Row({ item, isSelected, isInBasket, toggle }: { item: Item; isSelected: boolean; isInBasket: boolean; toggle: (one: Chosen) => void }) {
  const { properties } = item;
  const select = () => change({ sel: isSelected ? null : key(item) }, "replace");
  const instant = properties.datetime ?? (properties.start_datetime as string | undefined) ?? null;
  const orbit = properties["sat:relative_orbit"] as number | undefined;
  const state = properties["sat:orbit_state"] as string | undefined;
  return (
    <tr class={isSelected ? "selected" : ""} onClick={select}>
      <td onClick={(event) => event.stopPropagation()}>
        <input type="checkbox" checked={isInBasket} aria-label={words.put(item.id)} onChange={() => toggle(item)} />
      </td>
      <td class="nowrap">{day(instant)} <span class="dim">{time(instant)}</span></td>
      <td>
        <button type="button" class="link" aria-pressed={isSelected} onClick={(event) => (event.stopPropagation(), select())}>
          {item.id}
        </button>
      </td>
      <td class="nowrap">{item.collection}</td>
      <td class="num">{percent(properties["eo:cloud_cover"])}</td>
      <td class="nowrap">{orbit ?? ""} {state ? <abbr title={texts.explore.form.option[state]}>{state === "ascending" ? "↗" : "↘"}</abbr> : ""}</td>
      <td class="num nowrap">{bytes(sizeOf(item))}</td>
      <td class="nowrap">{day(properties.created ?? null)}</td>
      <td>{isHeld(item) ? words.held : words.known}</td>
    </tr>
  );
}

/** Up and down go from row to row. */
function move(event: KeyboardEvent): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const row = (event.target as HTMLElement).closest("tr");
  const other = event.key === "ArrowDown" ? row?.nextElementSibling : row?.previousElementSibling;
  const button = other?.querySelector<HTMLButtonElement>("button.link");
  if (!button) return;
  event.preventDefault();
  button.focus();
}

function Empty() {
  return (
    <div class="empty">
      <h1>{texts.explore.empty.title}</h1>
      <p>{texts.explore.empty.text}</p>
      <div class="row">
        {texts.explore.empty.starts.map(({ name, query }) => (
          <button key={name} type="button" onClick={() => change(query)}>
            {name}
          </button>
        ))}
      </div>
    </div>
  );
}
