import { expect, test } from "vitest";
import { basketText, downloadScript, readBasket } from "./basket";

test("a basket comes back from its link", () => {
  const chosen = [{ collection: "a", id: "b/c,d" }, { collection: "é", id: "x" }];
  expect(readBasket(basketText(chosen))).toEqual(chosen);
  expect(readBasket(null)).toEqual([]);
});

test("a name cannot leave its quotes in a script", () => {
  globalThis.document ??= { baseURI: "http://host/swath/" } as Document;
  const script = downloadScript([{ Id: "1", Name: "a'; rm -rf '", S3Path: "/eodata/a", ContentLength: 0, Online: true }]);
  expect(script).toContain(`'a'\\''; rm -rf '\\''.zip'`);
  expect(script).toContain("http://host/swath/odata/v1/Products(1)/$value");
});
