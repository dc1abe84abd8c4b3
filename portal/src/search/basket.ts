/** What was chosen: `collection/item` with commas between them, as a link carries it. */
import { address, get } from "../api/client";

/** Most items of a basket: more would not fit into a link. */
export const BASKET_MAX = 200;
/** Names in one question to the catalogue; the filter of a GET has limits. */
const NAMES_AT_ONCE = 20;

export interface Chosen {
  collection: string;
  id: string;
}

/** What the catalogue says of a product: where its files lie, and how large they are. */
export interface Product {
  Id: string;
  Name: string;
  S3Path: string;
  ContentLength: number;
  Online: boolean;
}

export function readBasket(text: string | null): Chosen[] {
  const parts = (text ?? "").split(",").filter((part) => part.includes("/"));
  return parts.slice(0, BASKET_MAX).map((part) => {
    const cut = part.indexOf("/");
    return { collection: decodeURIComponent(part.slice(0, cut)), id: decodeURIComponent(part.slice(cut + 1)) };
  });
}

export function basketText(chosen: Chosen[]): string {
  return chosen.map(key).join(",");
}

/** One item in a link; `/` and `,` in names are encoded. */
export function key({ collection, id }: Chosen): string {
  return `${encodeURIComponent(collection)}/${encodeURIComponent(id)}`;
}

/** Asks the catalogue for the products of a basket, in its order; those that it has no product of are left out. */
export async function products(chosen: Chosen[], signal?: AbortSignal): Promise<Product[]> {
  const found = new Map<string, Product>();
  for (let from = 0; from < chosen.length; from += NAMES_AT_ONCE) {
    const names = chosen.slice(from, from + NAMES_AT_ONCE).map(({ id }) => `Name eq '${id.replace(/'/g, "''")}'`);
    const answer = await get<{ value: Product[] }>("odata/v1/Products", { $filter: names.join(" or "), $top: NAMES_AT_ONCE * 2 }, signal);
    for (const product of answer.value) found.set(product.Name, product);
  }
  return chosen.flatMap(({ id }) => found.get(id) ?? []);
}

export const s3Path = (product: Product) => `s3:/${product.S3Path}`;
export const downloadUrl = (product: Product) => address(`odata/v1/Products(${product.Id})/$value`);

/** A script that fetches the products; it goes on where it was stopped. */
export function downloadScript(list: Product[]): string {
  const lines = list.map((product) => `fetch ${quoted(downloadUrl(product))} ${quoted(`${product.Name}.zip`)}`);
  return [
    "#!/usr/bin/env bash",
    "# Downloads products as zip archives into this folder. Set SWATH_TOKEN for what is not public.",
    "set -euo pipefail",
    "fetch() {",
    '    if [[ -s $2 ]]; then echo "there: $2"; return; fi',
    '    curl --fail --location --retry 5 ${SWATH_TOKEN:+--header "Authorization: Bearer $SWATH_TOKEN"} --output "$2.part" "$1"',
    '    mv "$2.part" "$2"',
    "}",
    ...lines,
    "",
  ].join("\n");
}

function quoted(text: string): string {
  return `'${text.replace(/'/g, "'\\''")}'`;
}
