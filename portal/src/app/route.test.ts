import { expect, test } from "vitest";
import { parseRoute, routeHash } from "./route";

test("a link comes back as it was", () => {
  const query = new URLSearchParams({ c: "sentinel-2-l2a", aoi: "9.1,54.2 9.2,54.3", q: "a&b#c" });
  const hash = routeHash("parcels", query);
  const route = parseRoute(hash);
  expect(route.page).toBe("parcels");
  expect([...route.query]).toEqual([...query]);
});

test("what is no page is the first one", () => {
  expect(parseRoute("").page).toBe("explore");
  expect(parseRoute("#/nothing?a=1").page).toBe("explore");
});
