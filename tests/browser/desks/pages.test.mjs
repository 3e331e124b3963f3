// Looks back on the walks through the desks: every page of every desk's table was judged, in each language. What is no page
// is named with what it is.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";

import { covered, settings } from "../support/index.mjs";

// The table that the desk at an address is made of.
const TABLES = { subject: ["subject"], officer: ["officer", "holder", "review"], auditor: ["auditor", "secondAuditor"] };

const walked = settings.walked && existsSync(settings.walked);

describe("the walks through the desks", { skip: walked ? false : "nobody walked" }, () => {
  const lines = walked ? readFileSync(settings.walked, "utf8").trim().split("\n").map((line) => JSON.parse(line)) : [];
  for (const [table, desks] of Object.entries(TABLES)) {
    test(`every page of the ${table} desk was judged in each language`, (t) => {
      const patterns = settings.walk.pages[table];
      assert.ok(patterns.length > 10);
      const origins = desks.map((desk) => settings.desks[desk]);
      const own = lines.filter(({ at }) => origins.includes(new URL(at).origin));
      const { missing, excepted } = covered(patterns, own);
      for (const one of excepted) t.diagnostic(`${table} desk: ${one}`);
      assert.deepEqual(missing, []);
    });
  }
});
