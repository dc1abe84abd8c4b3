import { expect, test } from "vitest";
import { readCsv } from "./peers";

test("cells with commas and quotes stay whole", () => {
  expect(readCsv('id,name,value\r\n1,"a, ""b""",0.5\r\n2,,\r\n')).toEqual({ id: ["1", "2"], name: ['a, "b"', ""], value: ["0.5", ""] });
});
