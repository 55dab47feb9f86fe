import { expect, test } from "vitest";
import { plain } from "./plain.ts";

test.each([
  [
    "The discount is **added** instead of taken off: ```js return before + discount; ```",
    "The discount is added instead of taken off: return before + discount;",
  ],
  ["see [the run](/runs/run_1) and ![a picture](x.png)", "see the run and a picture"],
  ["`total` of __all__, 2 * 3 ** 4 and a_b__c", "total of all, 2 * 3 ** 4 and a_b__c"],
  ["… half of **a mark, cut off", "… half of **a mark, cut off"],
  ["<b>not html</b>", "<b>not html</b>"],
])("%s", (text, shown) => {
  expect(plain(text)).toBe(shown);
});
