import Collections from "../collections/Collections";
import Parcels from "../parcels/Parcels";
import Explore from "../search/Explore";
import System from "../system/System";
import { texts } from "../texts";
import { type Page, PAGES, routeHash, useRoute } from "./route";
import { useTheme } from "./theme";

// All of them together are small beside a request more before anything is asked for; the map is what is apart.
const pages = { explore: Explore, parcels: Parcels, collections: Collections, system: System } satisfies Record<Page, unknown>;

export function App() {
  const route = useRoute();
  const [theme, turnTheme] = useTheme();
  const Shown = pages[route.page];
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>
        {texts.skip}
      </a>
      <header class="top">
        <a class="brand" href="#/explore" aria-label={texts.name}>
          <img src="./icon.svg" alt="" width="22" height="22" />
          <span>{texts.name}</span>
        </a>
        <nav aria-label={texts.pages}>
          {PAGES.map((page) => (
            <a key={page} href={routeHash(page, new URLSearchParams())} aria-current={page === route.page ? "page" : undefined}>
              {texts.page[page]}
            </a>
          ))}
        </nav>
        <span class="fill" />
        <a class="quiet wide-only" href="./api.html">
          {texts.api}
        </a>
        <button type="button" class="quiet" onClick={turnTheme} aria-label={texts.theme[theme]} title={texts.theme[theme]}>
          {theme === "dark" ? "☀" : "☾"}
        </button>
      </header>
      <main id="main" tabIndex={-1}>
        <Shown key={route.page} query={route.query} theme={theme} />
      </main>
    </>
  );
}
