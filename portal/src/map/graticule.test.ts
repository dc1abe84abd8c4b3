import { expect, test } from "vitest";
import { graticule } from "./graticule";

test("a field and the world both get a few lines", () => {
  for (const view of [
    { west: 9.46, south: 54.84, east: 9.5, north: 54.87 },
    { west: -180, south: -85, east: 180, north: 85 },
    { west: 170, south: -10, east: 200, north: 10 },
  ]) {
    const { lines, labels } = graticule(view);
    expect(lines.features.length).toBeGreaterThanOrEqual(3);
    expect(lines.features.length).toBeLessThanOrEqual(40);
    expect(labels.features.length).toBe(lines.features.length);
  }
});

test("beyond the antimeridian longitudes go on in the west", () => {
  const names = graticule({ west: 175, south: 0, east: 190, north: 10 }).labels.features.map((feature) => feature.properties?.name);
  expect(names).toContain("175° W");
  expect(names).toContain("180° W");
});
