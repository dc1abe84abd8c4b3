/** The state that a link carries: page and parameters after the `#`. */
import { useEffect, useState } from "preact/hooks";

export const PAGES = ["explore", "parcels", "collections", "system"] as const;
export type Page = (typeof PAGES)[number];

export interface Route {
  page: Page;
  query: URLSearchParams;
}

/** What to change in the query; null takes a parameter away. */
export type Change = Record<string, string | null>;

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const page = PAGES.find((known) => known === path) ?? "explore";
  return { page, query: new URLSearchParams(query) };
}

export function routeHash(page: Page, query: URLSearchParams): string {
  // What RFC 3986 allows in a fragment stays readable.
  const text = query.toString().replace(/%2C/g, ",").replace(/%3A/g, ":").replace(/%2F/g, "/").replace(/%40/g, "@");
  return `#/${page}${text ? `?${text}` : ""}`;
}

/** Changes the query of the page that is shown; `replace` makes no step for the back button. */
export function change(change: Change, how: "push" | "replace" = "push"): void {
  const { page, query } = parseRoute(location.hash);
  for (const [name, value] of Object.entries(change)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  go(page, query, how);
}

export function go(page: Page, query: URLSearchParams, how: "push" | "replace" = "push"): void {
  const hash = routeHash(page, query);
  if (hash === location.hash) return;
  if (how === "push") history.pushState(null, "", hash);
  else history.replaceState(null, "", hash);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const follow = () => setHash(location.hash);
    addEventListener("hashchange", follow);
    addEventListener("popstate", follow);
    return () => {
      removeEventListener("hashchange", follow);
      removeEventListener("popstate", follow);
    };
  }, []);
  return parseRoute(hash);
}
