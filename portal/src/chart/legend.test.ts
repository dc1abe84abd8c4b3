import { expect, test } from "vitest";
import { placeNames } from "./legend";

const NAMES = ["VH 117 ↗", "VH 66 ↘", "VV 117 ↗", "VV 66 ↘"];

test("names stand beside the title where there is room, else in rows", () => {
  expect(placeNames("Backscatter (dB)", NAMES, 800).map(({ row }) => row)).toEqual([0, 0, 0, 0]);
  const narrow = placeNames("Backscatter (dB)", NAMES, 300);
  expect(narrow.map(({ row }) => row)).toEqual([0, 0, 1, 1]);
  expect(narrow[2]).toEqual({ index: 2, left: 0, row: 1 });
  for (const { index, left } of narrow) expect(left + NAMES[index]!.length * 6).toBeLessThan(300);
});

test("a name that is wider than all of it has a row of its own", () => {
  expect(placeNames("", ["a".repeat(90), "b"], 100).map(({ row }) => row)).toEqual([1, 2]);
});
