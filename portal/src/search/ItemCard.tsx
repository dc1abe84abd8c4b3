/** One item: preview, what is said of it, its assets. */
import type { Item } from "../api/stac";
import { Facts } from "../app/Facts";
import { change } from "../app/route";
import { bytes, day, percent, time } from "../app/words";
import { itemLayer } from "../map/imagery";
import { Preview } from "../map/Preview";
import { texts } from "../texts";
import { type Chosen } from "./basket";
import { bboxOf } from "./place";
import { sizeOf } from "./question";

const words = texts.explore.card;
/** Properties that stand elsewhere in the card. */
const SAID = new Set(["datetime", "created", "updated", "eo:cloud_cover"]);

interface Props {
  item: Item;
  isInBasket: boolean;
  toggle: (one: Chosen) => void;
  hasPictures: boolean;
}

export function ItemCard({ item, isInBasket, toggle, hasPictures }: Props) {
  const { properties } = item;
  const layer = itemLayer(item.collection, item.id);
  return (
    <aside class="card" aria-label={words.title}>
      <div class="card-head">
        <h2>{item.id}</h2>
        <button type="button" class="quiet" aria-label={words.close} onClick={() => change({ sel: null }, "replace")}>×</button>
      </div>
      {hasPictures && item.geometry && <Preview picture={{ layer }} bbox={bboxOf(item.geometry)} label={words.preview(item.id)} />}
      <p>
        {day(properties.datetime)} {time(properties.datetime)} UTC · {item.collection} · {percent(properties["eo:cloud_cover"])} {properties["eo:cloud_cover"] === undefined ? "" : words.cloud} {bytes(sizeOf(item))}
      </p>
      <div class="row">
        <button type="button" class="main" onClick={() => toggle(item)}>{isInBasket ? words.take : words.put}</button>
        {hasPictures && <button type="button" onClick={() => change({ show: layer, t: null, style: null }, "replace")}>{words.show}</button>}
      </div>
      <details>
        <summary>{words.assets(Object.keys(item.assets).length)}</summary>
        <ul class="list">
          {Object.entries(item.assets).map(([name, asset]) => (
            <li key={name}>
              <a href={asset.href} title={asset.type}>{asset.title ?? name}</a> <span class="dim">{bytes(asset["file:size"])}</span>
            </li>
          ))}
        </ul>
      </details>
      <details>
        <summary>{words.properties}</summary>
        <Facts facts={properties} except={SAID} />
      </details>
    </aside>
  );
}
