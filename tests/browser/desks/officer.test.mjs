// The officer desk in a browser, against a running node and a real identity provider: one check from login to logout, what
// rests on it, and what is refused, in both languages, with scripts and without, with the keyboard alone.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";

import {
  LANGUAGES,
  WAYS,
  deskAt,
  keyboardOnly,
  login,
  missingBrowser,
  notHeavy,
  running,
  say,
  settings,
  visit,
  walker,
} from "../support/index.mjs";

const DESK = settings.desks.officer;
// A code that the tax list holds, and one that it does not.
const { listed: CODE, other: OTHER } = settings.walk.codes;
const ELIGIBILITY = "tax/serious-violations public-procurement-eligibility";
const SELECTION = "tax/serious-violations vendor-selection";
// Who allows nobody to ask, and is asked for it one way.
const UNASKED = { "en-script": "listed", "en-plain": "agent", "zh-script": "other", "zh-plain": "held" };

describe("the officer desk", { skip: missingBrowser() || (DESK ? false : "no officer desk runs") }, () => {
  const desk = deskAt("officer", DESK);
  const run = running({ officer: DESK });

  async function ask(page, language, code, choice, number) {
    await page.goto(`${DESK}/${language}/check`);
    await page.locator("#code").fill(code);
    await page.locator(`input[value="${choice}"]`).check();
    await page.locator("#case_number").fill(number);
    await page.getByRole("button", { name: say(language, "check-go"), exact: true }).click();
    await page.waitForSelector(".tacit-answer");
  }

  for (const way of WAYS) {
    const { language, script } = way;
    test(`an officer asks, reads, keeps the receipt and logs out: ${way.name}`, async () => {
      await visit(run.browser, way, async (page) => {
        const words = (key) => say(language, key);
        const look = (name) => desk.look(way)(page, name);
        const number = `2026-${language}-${script}`;
        await page.goto(`${DESK}/`);
        await look("start");
        await page.getByRole("button", { name: words("home-login"), exact: true }).click();
        await look("login");
        await desk.logIn(page, language, "chen");
        await look("home");
        await page.goto(`${DESK}/${language}/checks?case=${number}`);
        await look("checks-empty");
        await page.goto(`${DESK}/${language}/check`);
        await look("check");
        await page.locator("#code").fill(`${CODE.slice(0, 17)}!`);
        await page.getByRole("button", { name: words("check-go"), exact: true }).click();
        await page.waitForSelector("[role=alert]");
        assert.equal(await page.getByRole("alert").getByRole("link").count(), 2);
        await look("check-error");

        await ask(page, language, CODE.toLowerCase(), ELIGIBILITY, number);
        assert.equal(await page.locator(".tacit-answer--listed").count(), 1);
        await look("answer-listed");
        const [download] = await Promise.all([page.waitForEvent("download"), page.locator('a[href$="/receipt"]').click()]);
        assert.ok((await readFile(await download.path())).length > 1000);
        await page.locator('a[href*="/measures/new"]').first().click();
        await page.waitForURL(/\/measures\/new/);
        await look("measure");
        await page.getByRole("button", { name: words("measure-go"), exact: true }).click();
        await page.waitForSelector("[role=alert]");
        await look("measure-error");
        await page.locator("#decider").fill("Tender office");
        await page.getByRole("button", { name: words("measure-go"), exact: true }).click();
        await page.waitForSelector(".govuk-panel");
        await look("measure-registered");
        await page.goto(`${DESK}/${language}/measures`);
        await look("measures");
        const row = page.locator("tbody tr").filter({ hasText: number });
        // Forms are sent; who opens their address finds the list.
        const lift = await row.locator("form").getAttribute("action");
        await page.goto(`${DESK}${lift}`);
        await page.waitForURL(/\/measures\??$/);
        await row.locator("summary").click();
        await row.locator("input[name=decider]").fill("Tender office");
        await row.getByRole("button", { name: words("measure-lift-go") }).click();
        await page.waitForSelector(".govuk-panel");

        await ask(page, language, OTHER, ELIGIBILITY, number);
        assert.equal(await page.locator(".tacit-answer--not-listed").count(), 1);
        await look("answer-not-listed");
        await page.goto(`${DESK}/${language}/checks?case=${number}`);
        assert.equal(await page.locator("tbody tr").count(), 2);
        await look("checks");
        await page.goto(`${DESK}/${language}/node`);
        await look("node");
        assert.equal((await page.goto(`${DESK}/${language}/cases`)).status(), 403);
        await look("not-allowed");
        await desk.logOut(page, language, "/checks");
      });
    });

    test(`consent that is missing is asked for where the question was refused: ${way.name}`, async () => {
      await visit(run.browser, way, async (page) => {
        const look = desk.look(way);
        await desk.logIn(page, language, "chen");
        await ask(page, language, settings.walk.codes[UNASKED[walker(way)]], SELECTION, "2026-9");
        assert.equal(await page.locator(".tacit-answer--none").count(), 1);
        await look(page, "answer-refused");
        await page.getByRole("button", { name: say(language, "ask-go") }).click();
        await page.waitForSelector("[role=alert]");
        await look(page, "ask-error");
        await page.locator("#days").fill("90");
        await page.locator("#times").fill("4");
        await page.getByRole("button", { name: say(language, "ask-go") }).click();
        await page.waitForURL(/\/consents\/[0-9A-Z]{26}$/);
        await look(page, "consent-waits");
        await page.goto(`${DESK}/${language}/consents`);
        assert.ok((await page.locator("tbody tr").count()) > 0);
        await look(page, "consents");
      });
    });
  }

  async function upload(page, language, rows, number) {
    await page.goto(`${DESK}/${language}/batch`);
    await page.locator(`input[value="${ELIGIBILITY}"]`).check();
    await page.locator("#case_number").fill(number);
    await page.locator("#file").setInputFiles({ name: "codes.csv", mimeType: "text/csv", buffer: Buffer.from(rows) });
    await page.getByRole("button", { name: say(language, "batch-upload"), exact: true }).click();
    await page.waitForSelector("#forget");
  }

  for (const way of WAYS) {
    const { language, script } = way;
    test(`a file is uploaded, planned, asked and taken away: ${way.name}`, async () => {
      await visit(run.browser, way, async (page) => {
        const words = (key, values) => say(language, key, values);
        const look = (name) => desk.look(way)(page, name);
        await desk.logIn(page, language, "chen");
        await page.goto(`${DESK}/${language}/batch`);
        await look("batch");
        await page.getByRole("button", { name: words("batch-upload"), exact: true }).click();
        await page.waitForSelector("[role=alert]");
        assert.equal(await page.getByRole("alert").getByRole("link").count(), 3);
        await look("batch-error");

        const file = `code,case\n${CODE},K-1\n${CODE.slice(0, 17)}!,\n,K-3\n${OTHER},\n`;
        await upload(page, language, file, `2026-b-${language}-${script}`);
        assert.equal(await page.locator("tbody tr").count(), 2);
        await look("batch-plan");
        await page.getByRole("button", { name: words("batch-start", { count: 2 }) }).click();
        const results = page.locator('a[href$="/results.csv"]');
        if (script) {
          // The page goes on by itself.
          await results.waitFor({ timeout: 30_000 });
        } else {
          for (let tries = 0; tries < 60; tries += 1) {
            await page.waitForTimeout(500);
            if ((await results.count()) > 0) break;
            await page.locator("#look-again").click();
          }
        }
        assert.equal(await page.locator("tbody tr").count(), 4);
        await look("batch-answers");
        const [download] = await Promise.all([page.waitForEvent("download"), results.click()]);
        const text = await readFile(await download.path(), "utf8");
        assert.equal(text.trim().split("\n").length, 5);
        assert.ok(text.includes(CODE));
        const [other] = await Promise.all([page.waitForEvent("download"), page.locator('a[href$="/results.json"]').click()]);
        assert.ok(JSON.parse(await readFile(await other.path(), "utf8")));
        await page.goto(`${DESK}/${language}/batch?show=wrong`);
        assert.equal(await page.locator("tbody tr").count(), 2);
        await page.getByRole("button", { name: words("batch-forget") }).click();
        await page.waitForSelector("#file");
      });
    });
  }

  test("the keyboard alone makes a check and sees where it is", async () => {
    await visit(run.browser, {}, async (page) => {
      await desk.logIn(page, "en", "chen");
      await page.goto(`${DESK}/en/check`);
      await page.waitForSelector("body.js-enabled");
      const keyboard = keyboardOnly(page);
      await keyboard.to(/^Code of/);
      await keyboard.type(OTHER);
      await keyboard.to(/:/);
      await keyboard.press("Space");
      await keyboard.to("Case number");
      await keyboard.type("2026-7");
      await keyboard.to("Check");
      await keyboard.press("Enter");
      await page.waitForSelector(".tacit-answer");
    });
  });

  for (const language of LANGUAGES) {
    test(`who has no role is nobody here: ${language}`, async () => {
      await visit(run.browser, { language }, async (page) => {
        await page.goto(`${DESK}/${language}/login`);
        await page.getByRole("button", { name: say(language, "login-go") }).click();
        await login(page, "paper");
        await page.getByRole("heading", { name: say(language, "problem-not-allowed") }).waitFor();
        await desk.judge(page, language, "no-role");
        assert.equal(await desk.open(page, language, "/goodbye"), 200);
        await desk.judge(page, language, "goodbye");
      });
    });

    test(`a batch that runs is left, found again and stopped: ${language}`, async () => {
      await visit(run.browser, { language }, async (page) => {
        await desk.logIn(page, language, "chen");
        // Each row a case of its own: it takes its time.
        const rows = Array.from({ length: 1500 }, (_, at) => `${OTHER},K-${at}\n`).join("");
        await upload(page, language, `code,case\n${rows}`, "2026-long");
        await page.getByRole("button", { name: say(language, "batch-start", { count: 1500 }) }).click();
        await page.waitForSelector("progress");
        await desk.judge(page, language, "batch-running");
        await page.goto(`${DESK}/${language}/checks`);
        await page.goto(`${DESK}/${language}/batch`);
        const value = () => page.locator("progress").evaluate((bar) => bar.value);
        const before = await value();
        await page.waitForFunction((past) => document.querySelector("progress")?.value > past, before);
        await page.getByRole("button", { name: say(language, "batch-stop"), exact: true }).click();
        await page.waitForSelector(".govuk-inset-text");
        await desk.judge(page, language, "batch-stopped");
      });
    });
  }

  test("no page weighs more than a page may, and the service says that it is alive", async () => {
    await visit(run.browser, {}, async (page) => {
      await notHeavy(page, `${DESK}/en/`);
      await desk.logIn(page, "en", "chen");
      for (const path of ["/check", "/batch", "/checks", "/measures"]) await notHeavy(page, `${DESK}/en${path}`);
      assert.equal((await page.goto(`${DESK}/healthz`)).status(), 200);
    });
  });
});
