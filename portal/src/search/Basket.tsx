/** The basket: its products as paths, addresses, or a script. */
import { useState } from "preact/hooks";
import { useLoad } from "../app/load";
import { change } from "../app/route";
import { bytes, copy, save } from "../app/words";
import { texts } from "../texts";
import { BASKET_MAX, type Chosen, basketText, downloadScript, downloadUrl, key, products, s3Path } from "./basket";

const words = texts.explore.basket;

export function Basket({ chosen, remove }: { chosen: Chosen[]; remove: (one: Chosen) => void }) {
  const found = useLoad(chosen.length > 0 ? basketText(chosen) : null, (signal) => products(chosen, signal));
  const [note, setNote] = useState("");
  const [shown, setShown] = useState("");
  if (chosen.length === 0) return <p class="note">{words.empty}</p>;
  const list = chosen.length > 0 ? (found.value ?? []) : [];
  const size = list.reduce((sum, product) => sum + product.ContentLength, 0);
  const put = (lines: string[]) => async () => {
    const text = lines.join("\n");
    const isCopied = await copy(text);
    setNote(isCopied ? words.copied(lines.length) : words.notCopied);
    setShown(text);
  };
  return (
    <div class="basket">
      <p class="note">
        {words.summary(chosen.length, bytes(size))} {chosen.length >= BASKET_MAX ? words.full(BASKET_MAX) : ""}
      </p>
      {found.error && <p class="note error" role="alert">{found.error.message}</p>}
      <div class="row">
        <button type="button" disabled={list.length === 0} onClick={put(list.map(s3Path))}>{words.s3}</button>
        <button type="button" disabled={list.length === 0} onClick={put(list.map(downloadUrl))}>{words.urls}</button>
        <button type="button" disabled={list.length === 0} onClick={() => save("download.sh", downloadScript(list), "text/x-shellscript")}>{words.script}</button>
        <button type="button" class="quiet" onClick={() => change({ basket: null })}>{words.clear}</button>
      </div>
      {note && <p class="note" role="status">{note}</p>}
      {shown && <textarea readOnly rows={4} aria-label={words.text} value={shown} onFocus={(event) => event.currentTarget.select()} />}
      {found.value && list.length < chosen.length && <p class="note">{words.missing(chosen.length - list.length)}</p>}
      <ul class="list">
        {chosen.map((one) => (
          <li key={key(one)}>
            <button type="button" class="link" onClick={() => change({ sel: key(one) }, "replace")}>{one.id}</button>
            <button type="button" class="quiet" aria-label={words.remove(one.id)} onClick={() => remove(one)}>×</button>
          </li>
        ))}
      </ul>
    </div>
  );
}
