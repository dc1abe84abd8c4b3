// What users come for, done in a browser on a simulated season; see browser.mjs for what it needs.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { WAIT_MS, barriers, open, shot, start, url } from "./browser.mjs";

const SET = "land_2021";
const S2 = "sentinel-2-l2a";
const JUNE = "from=2021-06-01&to=2021-06-30";
let browser;

before(async () => {
  browser = await start();
});
after(() => browser?.close());

/** Opens a page, does the task, and wants it without faults and barriers. */
async function on(hash, task, options) {
  const { page, faults, close } = await open(browser, hash, options);
  try {
    await task(page);
    assert.deepEqual(await barriers(page), []);
    assert.deepEqual(faults, []);
  } finally {
    await close();
  }
}

async function ask(path, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(`${url}${path}`, options);
  assert.equal(answer.status, 200, path);
  return answer.json();
}

/** Waits until a condition on the page holds. */
async function until(what, condition) {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    const held = await condition();
    if (held) return held;
    assert.ok(Date.now() < deadline, `${what}: not within ${WAIT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

const drawn = (page, count = 1) => until("the map is drawn", async () => (await page.locator(".map-box[data-idle]").count()) === count);
const query = (page) => new URLSearchParams(new URL(page.url()).hash.split("?")[1]);
const hasPath = async (path) => path in (await ask("/api")).paths;

test("the least cloudy scene of a month goes into the basket, and its path comes out", async () => {
  const found = await ask("/stac/search", { collections: [S2], datetime: "2021-06-01T00:00:00Z/2021-06-30T23:59:59Z", limit: 100 });
  const clouds = ({ properties }) => properties["eo:cloud_cover"];
  const least = found.features.reduce((best, item) => (clouds(item) < clouds(best) ? item : best));
  await on("", async (page) => {
    await page.getByRole("heading", { name: "What are you looking for?" }).waitFor();
    await page.getByRole("checkbox", { name: /Sentinel-2 L2A/ }).check();
    await page.getByLabel("Observed from").fill("2021-06-01");
    await page.getByLabel("to", { exact: true }).first().fill("2021-06-30");
    await page.getByLabel("Order").selectOption("clearest");
    await page.getByText(`${found.features.length} found`).waitFor();
    const first = page.locator("tbody tr").first();
    await first.getByRole("button", { name: least.id }).waitFor();
    await first.getByRole("checkbox").check();
    await page.getByRole("tab", { name: /Basket/ }).click();
    await page.getByRole("button", { name: "Copy S3 paths" }).click();
    const copied = await page.getByLabel("What was copied").inputValue();
    assert.match(copied, new RegExp(`^s3://eodata/.*/${least.id}$`));
    assert.equal(await page.evaluate("navigator.clipboard.readText()"), copied);
    await page.getByRole("button", { name: "Copy URLs" }).click();
    await until("the address", async () => (await page.getByLabel("What was copied").inputValue()).startsWith(`${url}/odata/v1/Products(`));
    const [script] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download script" }).click()]);
    assert.equal(script.suggestedFilename(), "download.sh");
    const lines = await readFile(await script.path(), "utf8");
    assert.ok(lines.startsWith("#!") && lines.includes(await page.getByLabel("What was copied").inputValue()), lines);
    // The link is all that another person needs.
    const again = await open(browser, new URL(page.url()).hash);
    await again.page.getByRole("listitem").filter({ hasText: least.id }).waitFor();
    await again.close();
    await shot(page, "task-basket");
  });
});

test("a place from a file and one that is drawn restrict the search", async () => {
  await on(`#/explore?c=${S2}&${JUNE}`, async (page) => {
    await page.getByText("6 found").waitFor();
    const elsewhere = { type: "Polygon", coordinates: [[[1, 1], [2, 1], [2, 2], [1, 1]]] };
    const file = { name: "place.geojson", mimeType: "application/geo+json", buffer: Buffer.from(JSON.stringify(elsewhere)) };
    await page.locator("input[type=file]").setInputFiles(file);
    await page.getByText("Nothing was found.").waitFor();
    await page.getByRole("button", { name: "Anywhere" }).click();
    await page.getByText("6 found").waitFor();
    await drawn(page);
    await page.getByRole("button", { name: "Draw" }).click();
    const map = await page.locator(".map-box").boundingBox();
    for (const [right, down] of [[0.3, 0.3], [0.7, 0.3], [0.5, 0.7]]) {
      await page.mouse.click(map.x + map.width * right, map.y + map.height * down, { delay: 20 });
      // Two clicks within the time of a double click would end the drawing.
      await page.waitForTimeout(350);
    }
    await page.keyboard.press("Enter");
    await until("the place is in the link", () => query(page).has("aoi"));
    assert.equal(query(page).get("aoi").split(" ").length, 3);
    await page.getByText("6 found").waitFor();
    await page.getByLabel("Words").fill("20210603");
    await page.keyboard.press("Enter");
    await page.getByText("1 found").waitFor();
  });
});

test("two dates are compared beside each other", async (t) => {
  if (!(await hasPath("/tiles"))) return t.skip("this server draws no pictures");
  await on(`#/explore?c=${S2}&${JUNE}&tab=layers`, async (page) => {
    const tiles = [];
    page.on("response", (answer) => answer.url().includes("/tiles/") && tiles.push(answer));
    await page.getByLabel("Pictures").selectOption(S2);
    await page.getByLabel("Compare with another date").check();
    await drawn(page, 2);
    const bar = page.getByRole("slider", { name: "Where the two dates meet" });
    // A piece of the picture that is left of the bar, then right of it.
    const box = await page.locator(".compare").boundingBox();
    const piece = { x: box.x + box.width * 0.4, y: box.y + box.height / 2, width: 30, height: 30 };
    const earlier = await page.screenshot({ clip: piece });
    await page.mouse.move(box.x + box.width / 2, piece.y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.25, piece.y, { steps: 3 });
    await page.mouse.up();
    assert.equal(await bar.getAttribute("aria-valuenow"), "25");
    await until("the other date shows", async () => !earlier.equals(await page.screenshot({ clip: piece })));
    await bar.press("ArrowRight");
    assert.equal(await bar.getAttribute("aria-valuenow"), "30");
    const [left, right] = [query(page).get("t"), query(page).get("t2")];
    assert.ok(left < right, `${left} ${right}`);
    for (const time of [left, right]) assert.ok(tiles.some((answer) => answer.url().includes(time)), time);
    for (const answer of tiles) assert.ok(answer.status() === 200 || answer.status() === 204, `${answer.status()} ${answer.url()}`);
    await page.getByRole("button", { name: "Date after" }).first().click();
    await until("the next date", () => query(page).get("t") > left);
    await until("its picture", () => tiles.some((answer) => answer.url().includes(query(page).get("t"))));
    await drawn(page, 2);
    await shot(page, "task-compare");
  });
});

test("a parcel is found, its season read, its pictures opened, a peer visited", async () => {
  const parcels = await ask(`/parcels/${SET}/items?limit=1000`);
  const alike = ({ properties }) => parcels.features.filter((other) => other.properties.crop_code === properties.crop_code);
  const parcel = parcels.features.find((one) => alike(one).length > 4);
  const series = await ask(`/parcels/${SET}/${parcel.id}/series?expr=NDVI&collection=${S2}`);
  await on("#/parcels", async (page) => {
    await page.getByText(`${parcels.features.length} parcels in view`).waitFor();
    await page.getByLabel("Parcel id").fill(parcel.id);
    await page.getByRole("button", { name: "Find" }).click();
    await page.getByRole("heading", { name: `Parcel ${parcel.id}` }).waitFor();
    const chart = page.getByRole("application", { name: /Season of the parcel: NDVI, Backscatter, Coherence/ });
    await chart.focus();
    let readout = "";
    for (let step = 0; step < 10 && !readout.includes("NDVI"); step += 1) {
      await chart.press("ArrowRight");
      readout = await page.locator(".readout").innerText();
    }
    const row = series.columns.datetime.findIndex((datetime) => readout.startsWith(datetime.slice(0, 10)));
    assert.ok(readout.includes(`NDVI ${series.columns.value[row].toFixed(3)}`), readout);
    assert.equal(query(page).get("t"), series.columns.datetime[row].slice(0, 10));
    await page.locator("polygon.spread").waitFor({ state: "attached" });
    await page.getByRole("button", { name: /Pictures through the season/ }).click();
    if (await hasPath("/parcels/{set}/{parcel}/chips.json")) {
      const sheet = page.locator("img.sheet");
      await until("the pictures", () => sheet.evaluate((image) => image.naturalWidth > 0));
      const dates = page.getByRole("list", { name: "Dates with a picture" }).getByRole("button");
      await dates.first().click();
      const chip = page.getByAltText(/^Picture of/);
      await until("the picture of a date", () => chip.evaluate((image) => image.naturalWidth > 0));
      // Chart and picture are of one date.
      assert.equal(await chip.getAttribute("alt"), `Picture of ${query(page).get("t")}`);
      assert.ok((await page.locator(".readout").innerText()).startsWith(query(page).get("t")));
      await page.getByLabel("Style").selectOption("ndvi");
      await until("the pictures of the index", () => sheet.evaluate((image) => image.src.includes("style=ndvi") && image.naturalWidth > 0));
    } else {
      await page.getByText("This server cuts no pictures").waitFor();
    }
    await drawn(page);
    await shot(page, "task-parcel");
    const peer = page.locator(".parcel section", { hasText: "Peers" }).getByRole("button").first();
    const other = await peer.innerText();
    await peer.click();
    await page.getByRole("heading", { name: `Parcel ${other}` }).waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: `Parcel ${parcel.id}` }).waitFor();
  });
});

test("the map leaves list and chart first, and comes where these do not", async () => {
  const id = (await ask(`/parcels/${SET}/items?limit=1`)).features[0].id;
  const link = `#/parcels?set=${SET}&id=${id}`;
  // The longest that the map waits, as in app/later.ts.
  const LONGEST_MS = 2_000;
  for (const [hash, sign] of [[`#/explore?c=${S2}`, "tbody tr"], [link, ".chart polyline"]]) {
    const seen = (page) =>
      page.addInitScript((wanted) => {
        const look = new MutationObserver(() => document.querySelector(wanted) && (look.disconnect(), performance.mark("seen")));
        look.observe(document, { childList: true, subtree: true });
      }, sign);
    await on(hash, async (page) => {
      await page.locator(".map-box").waitFor();
      await page.locator(sign).first().waitFor();
      const [drawn, asked] = await page.evaluate(() => [performance.getEntriesByName("seen")[0].startTime, performance.getEntriesByType("resource").find(({ name }) => name.includes("/MapView"))?.startTime]);
      assert.ok(asked >= Math.min(drawn, LONGEST_MS), `${hash}: asked for the map at ${asked} ms, drawn at ${drawn} ms`);
    }, { prepare: seen });
  }
  const answers = { "never comes": () => {}, "is an error": (route) => route.fulfill({ status: 503, json: { code: "Busy", description: "Come back later" } }) };
  for (const [name, answer] of Object.entries(answers)) {
    const { page, close } = await open(browser, link, { prepare: (page) => page.route(/\/series/, answer) });
    await page.locator(".map-box").waitFor();
    assert.equal(await page.getByRole("alert").count(), name === "is an error" ? 1 : 0, name);
    await close();
  }
});

test("a click on the map finds the parcel that lies there", async () => {
  await on("#/parcels", async (page) => {
    await drawn(page);
    await until("parcels are drawn", async () => (await page.locator("tbody tr").count()) > 10);
    await drawn(page);
    const map = await page.locator(".map-box").boundingBox();
    await until("a parcel is chosen", async () => {
      await page.mouse.click(map.x + map.width * 0.52, map.y + map.height * 0.8);
      await page.waitForTimeout(200);
      return query(page).has("id");
    });
    await page.getByRole("heading", { name: `Parcel ${query(page).get("id")}` }).waitFor();
  });
});

test("a parcel that is not there is said, and the next one is found", async () => {
  const id = (await ask(`/parcels/${SET}/items?limit=1`)).features[0].id;
  const { page, close } = await open(browser, `#/parcels?set=${SET}&id=nowhere`);
  await page.getByRole("alert").filter({ hasText: "nowhere" }).waitFor();
  await drawn(page);
  await page.getByLabel("Parcel id").fill(id);
  await page.getByRole("button", { name: "Find" }).click();
  await page.locator(".chart polyline").first().waitFor();
  assert.equal(await page.getByRole("alert").count(), 0);
  await close();
});

test("on a narrow screen a link to a search begins with what it finds", async () => {
  await on(`#/explore?c=${S2}&${JUNE}`, async (page) => {
    await page.getByText("6 found").waitFor();
    assert.ok(!(await page.getByLabel("Observed from").isVisible()));
    const [head] = await page.locator(".results-head").all();
    assert.ok((await head.boundingBox()).y < 800, "the results are on the first screen");
    await page.getByRole("tab", { name: "Search" }).click();
    await page.getByLabel("Observed from").waitFor();
  }, { width: 390, height: 800 });
});

test("a collection says what it is and leads to its images", async () => {
  await on("#/collections", async (page) => {
    await page.getByLabel("Find a collection").fill("sentinel-2-l2a");
    await page.getByRole("heading", { name: /Sentinel-2 L2A/ }).waitFor();
    await page.getByRole("link", { name: "Search in it" }).click();
    await page.getByText(/49 found/).waitFor();
  });
});

test("the system page counts what the catalogue counts", async () => {
  const { aggregations } = await ask(`/stac/aggregate?aggregations=total_count&collections=${S2}`);
  await on("#/system", async (page) => {
    await page.getByLabel("Collection").selectOption(S2);
    const tile = page.locator(".tile", { hasText: "items" }).first();
    await until("the number of items", async () => (await tile.innerText()).startsWith(`${aggregations[0].value}`));
    await until("bars", async () => (await page.locator("svg rect.bar").count()) > 8);
    const [first, last] = [page.locator("svg rect.bar").first(), page.locator("svg rect.bar").last()];
    await until("bars beside each other", async () => ((await last.boundingBox())?.x ?? 0) > ((await first.boundingBox())?.x ?? 0) + 100);
    await page.getByText("8 of 8 months").waitFor();
    await shot(page, "task-system");
  });
});

for (const [look, options] of Object.entries({ dark: { theme: "dark" }, narrow: { width: 390, height: 800 } })) {
  test(`pages are sound ${look}`, async () => {
    const id = (await ask(`/parcels/${SET}/items?limit=1`)).features[0].id;
    const pages = [`#/explore?c=${S2}&${JUNE}`, `#/parcels?set=${SET}&id=${id}`, "#/collections", "#/system"];
    for (const hash of pages) {
      await on(hash, async (page) => {
        await page.locator("h1, h2").first().waitFor();
        await page.waitForLoadState("networkidle");
        const wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
        assert.ok(wide <= 0, `${hash} is ${wide} px too wide`);
      }, options);
    }
  });
}

test("how soon list and chart are there is told, not judged", async (t) => {
  const id = (await ask(`/parcels/${SET}/items?limit=1`)).features[0].id;
  for (const [name, hash, sign] of [["list", `#/explore?c=${S2}`, "tbody tr"], ["chart", `#/parcels?set=${SET}&id=${id}`, ".chart polyline"]]) {
    const times = [];
    for (let run = 0; run < 5; run += 1) {
      const context = await browser.newContext();
      const page = await context.newPage();
      const from = performance.now();
      await page.goto(`${url}/${hash}`, { waitUntil: "commit" });
      await page.locator(sign).first().waitFor({ state: "attached" });
      times.push(performance.now() - from);
      await context.close();
    }
    t.diagnostic(`${name}: ${times.sort((a, b) => a - b)[2].toFixed(0)} ms (median of 5)`);
  }
});
