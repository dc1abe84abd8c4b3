import { expect, test } from "vitest";
import { POSITIONS_MAX, placeFromGeoJson, placeFromText, placeToText } from "./place";

test("a place comes back from its text", () => {
  const text = "9.1,54.2 9.3,54.2 9.2,54.4;-1,2 3,4 5,-6";
  const place = placeFromText(text);
  expect(place?.type).toBe("MultiPolygon");
  expect(place && placeToText(place)).toBe(text);
});

test("what is no place is none", () => {
  for (const text of ["", "1,2 3,4", "1,2 3,4 5", "1,2 3,4 500,6", "a,b c,d e,f", "1,2,3 3,4 5,6"]) expect(placeFromText(text)).toBeUndefined();
  for (const text of ["", "{", "null", "[]", '{"type":"Point","coordinates":[1,2]}', '{"type":"Polygon","coordinates":[]}']) {
    expect(placeFromGeoJson(text)).toBeUndefined();
  }
});

test("a long ring is thinned, and it is said", () => {
  const ring = Array.from({ length: 2000 }, (_, index) => [9 + Math.cos(index / 318.31), 54 + Math.sin(index / 318.31)]);
  ring.push(ring[0]!);
  const found = placeFromGeoJson(JSON.stringify({ type: "Feature", geometry: { type: "Polygon", coordinates: [ring] } }));
  expect(found?.isThinned).toBe(true);
  const positions = placeToText(found!.place).split(" ");
  expect(positions.length).toBeLessThanOrEqual(POSITIONS_MAX);
  expect(positions.length).toBeGreaterThan(20);
});
