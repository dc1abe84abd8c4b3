import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const OUT = "dist/site";
/** Below, the head of an answer costs more than compression saves. */
const COMPRESSED_BYTES_MIN = 1024;
/** Where `npm run dev` finds a server. */
const SERVER = process.env.SWATH_URL ?? "http://127.0.0.1:8080";
const FACES = ["/stac", "/parcels", "/query", "/odata", "/tiles", "/ows", "/ogc", "/objects", "/download", "/api", "/metrics"];

/** Writes FILE.gz beside each text, so that the server compresses nothing that never changes. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    closeBundle() {
      for (const name of readdirSync(OUT, { recursive: true, encoding: "utf8" })) {
        const path = join(OUT, name);
        if (!statSync(path).isFile() || !/\.(js|mjs|css|svg|html)$/.test(name)) continue;
        const content = readFileSync(path);
        if (content.length >= COMPRESSED_BYTES_MIN) writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  // Relative, so that the portal works behind any prefix of a proxy.
  base: "./",
  plugins: [compressed()],
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: { outDir: OUT, emptyOutDir: true, target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 2000, modulePreload: { polyfill: false } },
  server: { proxy: Object.fromEntries(FACES.map((face) => [face, SERVER])) },
  test: { include: ["src/**/*.test.ts"] },
});
