// Writes src/api/openapi.d.ts from the committed OpenAPI files of the server.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import openapi, { astToString } from "openapi-typescript";

const folder = new URL("../../crates/server/openapi/", import.meta.url);
const whole = { openapi: "3.0.3", info: { title: "Swath", version: "0" }, paths: {}, components: {} };
for (const name of readdirSync(folder).sort()) {
  const part = JSON.parse(readFileSync(new URL(name, folder), "utf8"));
  Object.assign(whole.paths, part.paths);
  for (const [kind, members] of Object.entries(part.components ?? {})) {
    whole.components[kind] = { ...whole.components[kind], ...members };
  }
}
writeFileSync(new URL("../src/api/openapi.d.ts", import.meta.url), astToString(await openapi(whole)));
