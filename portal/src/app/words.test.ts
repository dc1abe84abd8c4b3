import { expect, test } from "vitest";
import { bytes, rectangle } from "./words";

test("a rectangle has directions, flat or with heights", () => {
  expect(rectangle([-9.467, 54.849, 9.497, 54.867])).toBe("9.47° W – 9.50° E, 54.85° N – 54.87° N");
  expect(rectangle([170, -20, 0, -170, -10, 100])).toBe("170.00° E – 170.00° W, 20.00° S – 10.00° S");
  expect(rectangle(undefined)).toBe("");
});

test("bytes have the unit that keeps them short", () => {
  expect([undefined, 12, 1_200, 734_000_000].map(bytes)).toEqual(["", "12 B", "1.2 kB", "734 MB"]);
});
