import { expect, test } from "vitest";
import { extent, linear, months, ticks } from "./axis";

test("ticks are round and within", () => {
  expect(ticks([0, 1], 4)).toEqual([0, 0.5, 1]);
  expect(ticks([-23.4, -7.1], 3)).toEqual([-20, -10]);
  expect(ticks([0.12, 0.87], 4)).toEqual([0.2, 0.4, 0.6, 0.8]);
  expect(ticks([5, 5], 4).length).toBeLessThanOrEqual(50);
});

test("months are those of UTC", () => {
  const found = months([Date.UTC(2020, 10, 15), Date.UTC(2021, 2, 2)], 12);
  expect(found.map(({ name }) => name)).toEqual(["Dec 2020", "2021", "Feb", "Mar"]);
  expect(months([0, Date.UTC(2026, 0, 1)], 12).length).toBeLessThanOrEqual(12);
});

test("a scale without width and an extent of nothing do not divide by zero", () => {
  expect(linear([3, 3], [0, 10])(3)).toBe(0);
  expect(extent([], 0.1)).toEqual([0, 1]);
  expect(extent([2], 0.5)).toEqual([1, 3]);
});
