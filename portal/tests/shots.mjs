// Pictures of every page, light, dark and narrow, to be looked at: SWATH_URL=… SWATH_SHOTS=… node tests/shots.mjs
import { WAIT_MS, barriers, open, shot, start } from "./browser.mjs";

const first = await (await fetch(`${process.env.SWATH_URL}/parcels`)).json();
const set = first.sets[0].name;
const parcels = await (await fetch(`${process.env.SWATH_URL}/parcels/${set}/items?limit=1`)).json();
const id = parcels.features[0].id;
const PAGES = {
  start: "#/explore",
  explore: "#/explore?c=sentinel-2-l2a&from=2021-06-01&to=2021-06-30&sort=clearest",
  item: "#/explore?c=sentinel-2-l2a&from=2021-06-01&to=2021-06-30&sort=clearest&sel=sentinel-2-l2a/S2B_32UNF_20210616_0_L2A",
  layers: "#/explore?c=sentinel-2-l2a&from=2021-06-01&to=2021-06-30&tab=layers&show=sentinel-2-l2a&t=2021-06-13&t2=2021-09-01",
  basket: "#/explore?c=sentinel-2-l2a&tab=basket&basket=sentinel-2-l2a/S2B_32UNF_20210616_0_L2A,sentinel-2-l2a/S2A_32UNF_20210613_0_L2A",
  parcels: "#/parcels",
  parcel: `#/parcels?id=${id}&t=2021-06-13&chips=natural`,
  collections: "#/collections?id=sentinel-2-l2a",
  system: "#/system",
};
const [WIDE, NARROW] = [{ width: 1400, height: 900 }, { width: 390, height: 844 }];
const LOOKS = { light: WIDE, dark: { ...WIDE, theme: "dark" }, narrow: NARROW, "narrow-dark": { ...NARROW, theme: "dark" } };
const wanted = process.argv.slice(2);
const browser = await start();
for (const [look, options] of Object.entries(LOOKS)) {
  for (const [name, hash] of Object.entries(PAGES)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const { page, faults, close } = await open(browser, hash, options);
    await page.waitForLoadState("networkidle");
    await page.locator(".map-box[data-idle]").or(page.locator(".page")).first().waitFor({ timeout: 3 * WAIT_MS });
    await page.waitForTimeout(700);
    await shot(page, `${name}-${look}`);
    console.log(`${name} ${look}`, [...faults, ...(await barriers(page))].join("\n   ") || "sound");
    await close();
  }
}
await browser.close();
