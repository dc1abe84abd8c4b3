// Draws the layer with Leaflet, OpenLayers and MapLibre in Chromium: node draw.mjs QUESTION FOLDER
// QUESTION is JSON {server, layer, style, lon, lat, zoom}; FOLDER gets one picture of each map.
// Prints the errors of the page as JSON.

import { createServer } from "node:http";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const ROOT = dirname(fileURLToPath(import.meta.url));
const DRAWN_MS_MAX = 60_000;
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const KINDS = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css" };
const FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"];

const files = createServer(async (request, response) => {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  try {
    const content = await readFile(join(ROOT, path));
    response.writeHead(200, { "Content-Type": KINDS[extname(path)] ?? "application/octet-stream" }).end(content);
  } catch {
    response.writeHead(path === "/favicon.ico" ? 204 : 404).end();
  }
});
await new Promise((resolve) => files.listen(0, "127.0.0.1", resolve));

const [question, folder] = process.argv.slice(2);
const executablePath = process.env.SWATH_CHROMIUM ?? CHROMIUM.find(existsSync);
const browser = await chromium.launch({ executablePath, args: FLAGS });
const errors = [];
try {
  const page = await browser.newPage({ viewport: { width: 400, height: 1000 } });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.goto(`http://127.0.0.1:${files.address().port}/page.html#${encodeURIComponent(question)}`);
  await page.waitForFunction(() => window.isDrawn?.(), null, { timeout: DRAWN_MS_MAX }).catch((error) => errors.push(String(error)));
  for (const name of ["leaflet", "openlayers", "maplibre"]) {
    await page.locator(`#${name}`).screenshot({ path: join(folder, `${name}.png`) });
  }
} finally {
  await browser.close();
  files.close();
}
console.log(JSON.stringify(errors));
