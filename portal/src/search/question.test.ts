import { expect, test } from "vitest";
import { hasQuestion, pageBody, searchBody } from "./question";

test("every field of the form becomes part of one search", () => {
  const query = new URLSearchParams({
    c: "a,b", from: "2021-06-01", to: "2021-06-30", cloud: "20", orbit: "ascending", rel: "15", q: "32u 50%", aoi: "1,2 3,4 5,6", pfrom: "2026-01-01",
  });
  const body = searchBody(query);
  expect(body.collections).toEqual(["a", "b"]);
  expect(body.datetime).toBe("2021-06-01T00:00:00Z/2021-06-30T23:59:59.999999Z");
  expect(body.intersects).toMatchObject({ type: "Polygon" });
  const filter = body.filter as { op: string; args: { op: string }[] };
  expect(filter.op).toBe("and");
  expect(filter.args.map((part) => part.op)).toEqual(["<=", "=", "=", ">=", "or", "or"]);
  expect(JSON.stringify(filter)).toContain("%50\\\\%%");
});

test("one condition needs no and, none no filter", () => {
  expect(searchBody(new URLSearchParams("cloud=5")).filter).toEqual({ op: "<=", args: [{ property: "eo:cloud_cover" }, 5] });
  expect(searchBody(new URLSearchParams(""))).toEqual({});
  expect(hasQuestion(new URLSearchParams("sort=newest&sel=a/b"))).toBe(false);
});

test("pages go on where the last one ended", () => {
  expect(pageBody(new URLSearchParams("sort=clearest"), "t")).toMatchObject({ token: "t", limit: 100 });
});
