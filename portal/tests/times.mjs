// How soon users see what they came for, as JSON: see browser.mjs for what it needs, bench/portal.py for what starts it.
//   list    from navigation to rows of the result table of Explore
//   link    from navigation by a link to a parcel to the lines of its chart
//   click   from the click on a parcel in the list to the lines of its chart
// Each in a browser context of its own, with nothing kept. The map draws at the same time and is not waited for.
import { WAIT_MS, start, url } from "./browser.mjs";

const RUNS = Number(process.argv[2] ?? 5);
const SET = "land_2021";
const ROW = "tbody tr";
const LINE = ".chart polyline";

/** Seconds of a processor that the pages had so far, and the rest of the browser: drawing the map in software, for one. */
async function worked() {
  const { processInfo } = await system.send("SystemInfo.getProcessInfo");
  const sum = (wanted) => processInfo.filter(({ type }) => (type === "renderer") === wanted).reduce((all, { cpuTime }) => all + cpuTime, 0);
  return { page: sum(true), rest: sum(false) };
}

/** Milliseconds from `begin` until something is visible, and those of a processor meanwhile. */
async function until(page, sign, begin) {
  const [before, from] = [await worked(), performance.now()];
  await begin();
  await page.locator(sign).first().waitFor({ state: "visible" });
  const wall = performance.now() - from;
  const after = await worked();
  return { wall, page: (after.page - before.page) * 1000, rest: (after.rest - before.rest) * 1000 };
}

async function inPage(browser, task) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    return await task(page);
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
  times.list.push(await inPage(browser, (page) => until(page, ROW, go(page, "#/explore?c=sentinel-2-l2a"))));
  times.link.push(await inPage(browser, (page) => until(page, LINE, go(page, link))));
  times.click.push(
    await inPage(browser, async (page) => {
      await go(page, "#/parcels")();
      const button = page.locator(ROW).nth(run).getByRole("button").first();
      await button.waitFor({ state: "visible" });
      // The map has its own work at the start of a page: it is over.
      await page.locator(".map-box[data-idle]").waitFor();
      return until(page, LINE, () => button.click());
    }),
  );
}
await browser.close();
console.log(JSON.stringify(times));
