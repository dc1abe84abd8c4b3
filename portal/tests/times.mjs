// How soon users see what they came for, as JSON: see browser.mjs for what it needs, bench/portal.py for what starts it.
//   list    from navigation to rows of the result table of Explore
//   link    from navigation by a link to a parcel to the lines of its chart
//   click   from the click on a parcel in the list to the lines of its chart
// Each in a browser context of its own, with nothing kept. The map draws at the same time and is not waited for. The page itself takes
// the time, after the frame that shows what is waited for: who asks from outside sees it up to half a second later.
import { WAIT_MS, start, url } from "./browser.mjs";

const RUNS = Number(process.argv[2] ?? 5);
/** How long a run may take in all, with what comes before a click. */
const SEEN_MS = 3 * WAIT_MS;
const SET = "land_2021";
const ROW = "tbody tr";
const LINE = ".chart polyline";

/** Seconds of a processor that the pages had so far, and the rest of the browser: drawing the map in software, for one. */
async function worked() {
  const { processInfo } = await system.send("SystemInfo.getProcessInfo");
  const sum = (wanted) => processInfo.filter(({ type }) => (type === "renderer") === wanted).reduce((all, { cpuTime }) => all + cpuTime, 0);
  return { page: sum(true), rest: sum(false) };
}

/** In the page: says when `sign` has been painted, and when the last click was made, in milliseconds since 1970. */
function watch(sign) {
  let clicked = null;
  addEventListener("click", ({ timeStamp }) => (clicked = performance.timeOrigin + timeStamp), { capture: true });
  const observer = new MutationObserver(() => {
    if (!document.querySelector(sign)?.getClientRects().length) return;
    observer.disconnect();
    // The frame after this is painted when a task follows it.
    requestAnimationFrame(() => setTimeout(() => window.seen({ clicked, at: performance.timeOrigin + performance.now() })));
  });
  observer.observe(document, { childList: true, subtree: true });
}

/** Milliseconds from `begin`, or the click that it makes, until something is painted, and those of a processor meanwhile. */
async function until(page, seen, begin) {
  const [before, from] = [await worked(), performance.timeOrigin + performance.now()];
  await begin();
  const { at, clicked } = await seen;
  const after = await worked();
  return { wall: at - (clicked ?? from), page: (after.page - before.page) * 1000, rest: (after.rest - before.rest) * 1000 };
}

async function inPage(browser, sign, task) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    const seen = new Promise((resolve, reject) => {
      page.exposeFunction("seen", resolve).catch(reject);
      setTimeout(() => reject(new Error(`${sign}: not within ${SEEN_MS} ms`)), SEEN_MS).unref();
    });
    await page.addInitScript(watch, sign);
    return await task(page, seen);
  } finally {
    await context.close();
  }
}

const go = (page, hash) => () => page.goto(`${url}/${hash}`, { waitUntil: "commit" });
const answer = await fetch(`${url}/parcels/${SET}/items?limit=${RUNS}`);
const ids = (await answer.json()).features.map(({ id }) => id);
const browser = await start();
const system = await browser.newBrowserCDPSession();
const times = { list: [], link: [], click: [] };
for (let run = 0; run < RUNS; run += 1) {
  const link = `#/parcels?set=${SET}&id=${ids[run % ids.length]}`;
  times.list.push(await inPage(browser, ROW, (page, seen) => until(page, seen, go(page, "#/explore?c=sentinel-2-l2a"))));
  times.link.push(await inPage(browser, LINE, (page, seen) => until(page, seen, go(page, link))));
  times.click.push(
    await inPage(browser, LINE, async (page, seen) => {
      await go(page, "#/parcels")();
      const button = page.locator(ROW).nth(run).getByRole("button").first();
      await button.waitFor({ state: "visible" });
      // The map has its own work at the start of a page: it is over.
      await page.locator(".map-box[data-idle]").waitFor();
      return until(page, seen, () => button.click());
    }),
  );
}
await browser.close();
console.log(JSON.stringify(times));
