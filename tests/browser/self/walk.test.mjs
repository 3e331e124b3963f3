// What looks back on the walks finds the page that nobody judged, and takes no page for a file.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { covered, patternOf } from "../support/walk.mjs";
import { say } from "../support/words.mjs";

const TABLE = ["/", "/{language}/", "/{language}/asked", "/{language}/asked.csv", "/{language}/asked/{record}", "/{language}/asked/new"];
const at = (path) => `http://127.0.0.1:1${path}`;
const page = (path) => ({ at: at(path), status: 200, type: "text/html" });
const judged = (path, language) => ({ at: at(path), status: 200, language });
const WHOLE = [
  { at: at("/"), status: 303, type: "", to: "/en/" },
  { at: at("/en/asked.csv?page="), status: 200, type: "text/csv" },
  ...["en", "zh"].flatMap((language) =>
    ["/", "/asked?from=soon", "/asked/01K", "/asked/new"].flatMap((rest) => [
      page(`/${language}${rest}`),
      judged(`/${language}${rest}`, language),
    ]),
  ),
];

describe("looking back on a walk", () => {
  test("a walk through all pages misses none and names what is no page", () => {
    const { missing, excepted } = covered(TABLE, WHOLE);
    assert.deepEqual(missing, []);
    assert.deepEqual(excepted, ["/ is no page: leads on", "/{language}/asked.csv is no page: text/csv"]);
  });

  test("a page that was opened and not judged is missing, in the language that it was not judged in", () => {
    const without = WHOLE.filter((line) => !(line.language === "zh" && line.at.includes("/asked/01K")));
    assert.deepEqual(covered(TABLE, without).missing, ["/{language}/asked/{record} is not judged in zh"]);
  });

  test("a page that nobody came to, that was refused, or that only led to the login, is missing", () => {
    const gone = WHOLE.filter((line) => !line.at.includes("/asked/new"));
    const wanted = ["/{language}/asked/new is not judged in en and zh; nobody came there"];
    assert.deepEqual(covered(TABLE, gone).missing, wanted);
    const refused = [
      { at: at("/en/asked/new"), status: 403, type: "text/html" },
      { at: at("/en/asked/new"), status: 403, language: "en" },
      { at: at("/zh/asked/new"), status: 303, type: "", to: "/zh/login?to=%2Fasked%2Fnew" },
    ];
    assert.deepEqual(covered(TABLE, [...gone, ...refused]).missing, wanted);
  });

  test("an address is at the pattern with the fewest wildcards", () => {
    assert.equal(patternOf(TABLE, "/en/asked/new"), "/{language}/asked/new");
    assert.equal(patternOf(TABLE, "/en/asked/one"), "/{language}/asked/{record}");
    assert.equal(patternOf(TABLE, "/en/askedxcsv"), undefined);
  });

  test("words come out of the portal's message files, with their values or not at all", () => {
    assert.equal(say("en", "frame-logout"), "Log out");
    assert.equal(say("en", "asked-number", { index: 7 }), "No. 7");
    assert.throws(() => say("en", "asked-number"), /wants more/);
    assert.throws(() => say("zh", "no-such-message"), /there is no message/);
  });
});
