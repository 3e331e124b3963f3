// Two auditors at their desks: an audit box is opened by both, a case is demanded and judged, and what does not fit is a
// finding; in both languages, with scripts and without.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { WAYS, deskAt, missingBrowser, running, say, settings, visit } from "../support/index.mjs";

const DESK = settings.desks.auditor;
const SECOND = settings.desks.secondAuditor;

describe("two auditors at their desks", { skip: missingBrowser() || (DESK && SECOND ? false : "no two auditor desks run") }, () => {
  const first = deskAt("auditor", DESK);
  const second = deskAt("auditor", SECOND);
  const code = settings.walk.codes.paper;
  const run = running({ auditor: DESK, second: SECOND });

  async function press(page, name) {
    await page.getByRole("button", { name, exact: true }).click();
  }

  async function follow(page, name) {
    await page.getByRole("link", { name, exact: true }).first().click();
  }

  async function wrong(page) {
    assert.equal(await page.getByRole("alert").count(), 1);
  }

  // Somebody else, at the other auditor's desk.
  async function approve(way, path) {
    const words = (key) => say(way.language, key);
    const look = second.look(way);
    await visit(run.browser, way, async (page) => {
      await second.logIn(page, way.language, "qian");
      await follow(page, words("nav-openings"));
      await page.waitForURL(`${SECOND}/${way.language}/openings`);
      await look(page, "openings-second");
      await page.locator(`tbody a[href="${path}"]`).click();
      await page.waitForURL(`${SECOND}${path}`);
      await look(page, "opening-second");
      await press(page, words("opening-approve"));
      await page.waitForURL(`${SECOND}${path}`);
      await page.waitForSelector(`text=${words("opening-step-approved")}`);
      assert.equal(await page.locator("main form").count(), 0);
      await second.logOut(page, way.language, "/openings");
    });
  }

  for (const way of WAYS) {
    const { language } = way;
    const words = (key) => say(language, key);
    // The first check of all, which the walk's officers did not make.
    const oldest = async (page) => {
      await page.goto(`${DESK}/${language}/log?decision=permitted&purpose=screening&member=procurement`);
      await page.locator("tbody a").last().click();
      await page.waitForURL(/\/log\/\d+$/);
      return page.url();
    };

    test(`a box is opened by two and read by one: ${way.name}`, async () => {
      await visit(run.browser, way, async (page) => {
        const look = (name) => first.look(way)(page, name);
        await first.logIn(page, language, "zhao");
        const entry = await oldest(page);
        await follow(page, words("record-open"));
        await page.waitForURL(`${entry}/opening`);
        await look("opening-form");
        await press(page, words("opening-ask"));
        await wrong(page);
        await look("opening-form-error");
        const ground = `Drawn by the sample, ${way.name}`;
        await page.locator("#ground").fill(ground);
        await press(page, words("opening-ask"));
        await page.waitForURL(/\/openings\/[0-9A-Z]{26}$/);
        const opening = page.url();
        assert.ok((await page.textContent("main")).includes(words("opening-step-requested")));
        // Who asked does not approve.
        assert.equal(await page.getByRole("button", { name: words("opening-approve"), exact: true }).count(), 0);
        await look("opening");
        await approve(way, new URL(opening).pathname);
        await page.goto(opening);
        await look("opening-approved");
        await page.locator("#cases").fill("2026-0417");
        await press(page, words("opening-read"));
        await page.waitForURL(`${opening}/read`);
        const told = await page.textContent("main");
        assert.ok(told.includes(code) && told.includes(words("opened-holds")), told);
        await look("opened");
        // What it said is on no page that is opened.
        await page.goto(opening);
        assert.ok(!(await page.textContent("main")).includes(code));
        await follow(page, words("nav-openings"));
        await page.waitForURL(`${DESK}/${language}/openings`);
        assert.ok((await page.textContent("tbody")).includes(ground));
        await look("openings");
        await first.logOut(page, language, "/openings");
      });
    });

    test(`a case is demanded, answered and judged, and what does not fit is a finding: ${way.name}`, async () => {
      await visit(run.browser, way, async (page) => {
        const look = (name) => first.look(way)(page, name);
        await first.logIn(page, language, "zhao");
        const entry = await oldest(page);
        await follow(page, words("record-case"));
        await page.waitForURL(`${entry}/case`);
        await look("case-form");
        await page.locator("#days").fill("31");
        await press(page, words("evidence-demand"));
        await wrong(page);
        await look("case-form-error");
        await page.locator("#days").fill("3");
        await press(page, words("evidence-demand"));
        await page.waitForURL(`${DESK}/${language}/cases`);
        await look("cases");
        // The agency's node answers by itself, within seconds.
        for (let again = 0; !(await page.textContent("main")).includes(words("evidence-proven")); again += 1) {
          assert.ok(again < 60, "the demand is never answered");
          await new Promise((done) => setTimeout(done, 500));
          await press(page, words("evidence-judge"));
          await page.waitForSelector("tbody");
        }
        assert.ok((await page.textContent("tbody")).includes("2026-0417"));
        await look("cases-judged");
        // A case that the agency does not have is a finding, once.
        await page.locator("#cases").fill("T-1");
        await press(page, words("evidence-judge"));
        await page.waitForSelector(".tacit-state--fails");
        await look("cases-finding");
        await follow(page, words("nav-findings"));
        await page.waitForURL(`${DESK}/${language}/findings`);
        assert.equal(await page.locator("tbody tr").count(), 1);
        await look("findings");
        for (const [key, ending] of [["export-csv", /\.csv$/], ["findings-jsonl", /\.jsonl$/]]) {
          const [file] = await Promise.all([page.waitForEvent("download"), follow(page, words(key))]);
          assert.match(file.suggestedFilename(), ending);
        }
        await page.locator("tbody a").first().click();
        await page.waitForURL(/\/findings\/[0-9A-Z]{26}$/);
        await look("finding");
        await press(page, words("finding-set"));
        await wrong(page);
        await look("finding-error");
      });
    });
  }
});
