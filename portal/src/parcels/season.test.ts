import { expect, test } from "vitest";
import { clearShares, gaps } from "./season";

test("clear is what no hiding class covers", () => {
  const shares = clearShares({ item_id: ["a", "a", "b"], class: [4, 9, 8], count: [3, 1, 5] });
  expect([...shares]).toEqual([["a", 0.75], ["b", 0]]);
});

test("a cloudy date does not end a gap", () => {
  const point = (day: number, clear: number) => ({ at: day * 86_400_000, datetime: "", value: 0, clear, item: "" });
  expect(gaps([point(0, 1), point(10, 0.1), point(20, 1), point(25, 1)])).toEqual([{ from: 0, to: 20 * 86_400_000 }]);
});
