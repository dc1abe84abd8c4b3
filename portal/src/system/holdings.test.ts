import { expect, test } from "vitest";
import { barsOf, gapsOf, progressOf } from "./holdings";

const days = (...keys: [string, number][]) => ({ name: "d", buckets: keys.map(([key, frequency]) => ({ key: `${key}T00:00:00Z`, frequency })) });

test("days between are bars without height, and the sum stays", () => {
  const bars = barsOf(days(["2021-03-01", 2], ["2021-03-04", 1]));
  expect(bars.map(({ count }) => count)).toEqual([2, 0, 0, 1]);
  const monthly = barsOf(days(["2020-11-15", 2], ["2020-11-16", 3], ["2021-05-04", 1]));
  expect(monthly.map(({ name, count }) => [name, count])).toEqual([["2020-11", 5], ["2020-12", 0], ["2021-01", 0], ["2021-02", 0], ["2021-03", 0], ["2021-04", 0], ["2021-05", 1]]);
  expect(barsOf(undefined)).toEqual([]);
});

test("the longest gap comes first", () => {
  expect(gapsOf(days(["2021-01-01", 1], ["2021-01-20", 1], ["2021-01-21", 1], ["2021-03-01", 1])).map((gap) => gap.days)).toEqual([39, 19]);
});

test("a month with items and without rows is to do", () => {
  const table = { collection: "c", profile: "p", version: 1, rows: 1, months: ["2021-01"], options: {} };
  expect(progressOf(table, days(["2021-01-01", 1], ["2021-02-01", 1]))).toEqual([{ month: "2021-01", isDone: true }, { month: "2021-02", isDone: false }]);
});
