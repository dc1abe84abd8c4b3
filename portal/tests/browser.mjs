// A browser on the portal of a running server: what the tests and the screenshots share.
//   SWATH_URL       the server, with a season simulated by `swath simulate --seed 7 --parcels 40`
//   SWATH_CHROMIUM  the browser; default the first that is found
//   SWATH_SHOTS     a folder for screenshots; default none are made
import { existsSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { chromium } from "playwright-core";

export const url = process.env.SWATH_URL ?? "http://127.0.0.1:8080";
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
/** How long anything may take to appear; generous, since nothing is measured by it. */
export const WAIT_MS = 20_000;

export async function start() {
  const executablePath = process.env.SWATH_CHROMIUM ?? CHROMIUM.find(existsSync);
  // Chromium has no sandbox for root.
  const args = process.getuid?.() === 0 ? [...FLAGS, "--no-sandbox"] : FLAGS;
  return chromium.launch({ executablePath, args });
}

/** Opens a page of the portal, which `prepare` gets before it goes there; `faults` gathers what a user would call broken. */
export async function open(browser, hash, { width = 1280, height = 800, theme = "light", prepare } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const faults = [];
  page.on("pageerror", (error) => faults.push(`page error: ${error.stack}`));
  page.on("console", (message) => message.type() === "error" && faults.push(`console: ${message.text()} ${message.location().url}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !/^(blob|data):/.test(request.url())) faults.push(`left the server: ${request.url()}`);
  });
  await prepare?.(page);
  await page.goto(`${url}/${hash}`, { waitUntil: "load" });
  return { page, faults, close: () => context.close() };
}

/** What axe finds that is serious or critical, in words. */
export async function barriers(page) {
  // By the protocol of the debugger, so that the policy of the page stays as it is.
  await page.evaluate(`(() => { ${axe.source} })()`);
  const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 4).map(({ target, failureSummary }) => `${target} ${failureSummary}`).join(" | ")}`);
}

export async function shot(page, name) {
  if (process.env.SWATH_SHOTS) await page.screenshot({ path: join(process.env.SWATH_SHOTS, `${name}.png`) });
}
