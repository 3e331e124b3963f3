// The subject desk in a browser, against a running federation and a real identity provider: what is on record about a person,
// and what lists say of them, from login to logout, in both languages, with scripts and without, with the keyboard alone.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";

import {
  LANGUAGES,
  WAYS,
  deskAt,
  keyboardOnly,
  missingBrowser,
  notHeavy,
  running,
  say,
  settings,
  visit,
} from "../support/index.mjs";

const DESK = settings.desks.subject;

describe("the subject desk", { skip: missingBrowser() || (DESK ? false : "no subject desk runs") }, () => {
  const desk = deskAt("subject", DESK);
  const run = running({ subject: DESK });

  // What a link hands over, as text.
  async function taken(page, link) {
    const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
    return readFile(await download.path(), "utf8");
  }

  for (const way of WAYS) {
    const { language } = way;
    const words = (key, values) => say(language, key, values);

    test(`a person sees who asked and why, and logs out: ${way.name}`, async () => {
      await visit(run.browser, way, async (page) => {
        const look = desk.look(way);
        await page.goto(`${DESK}/`);
        await page.waitForURL(`${DESK}/${language}/`);
        await look(page, "start");
        await page.getByRole("button", { name: words("home-login"), exact: true }).click();
        await look(page, "login");
        await desk.logIn(page, language, "paper");
        await look(page, "home");
        await page.getByRole("link", { name: words("asked-title") }).first().click();
        const rows = page.locator("tbody tr");
        // A question that was answered, one that was refused, a request for consent; and what other tests here did.
        assert.ok((await rows.count()) >= 3);
        assert.equal(await rows.locator(".govuk-tag").count(), 1, "the refused one says so");
        await look(page, "asked");
        const count = await rows.count();
        assert.equal((await taken(page, page.getByRole("link", { name: "CSV" }))).trim().split("\n").length, count + 1);
        assert.equal(JSON.parse(await taken(page, page.getByRole("link", { name: "JSON" }))).usage.length, count);
        await rows.first().getByRole("link").click();
        await page.waitForURL(/\/asked\/[0-9A-Z]{26}$/);
        await look(page, "entry");
        const proof = JSON.parse(await taken(page, page.getByRole("link", { name: /JSON/ })));
        assert.match(proof.proof.checkpoint, /\/log\n/);
        assert.equal(await desk.open(page, language, "/asked?from=2020-01-01&until=2020-01-31"), 200);
        const empty = (await page.locator(".tacit-empty").textContent()).trim();
        assert.match(empty, language === "en" ? /between 1 January 2020 and 31 January 2020/ : /2020年1月1日至2020年1月31日/);
        await look(page, "asked-empty");
        assert.equal(await desk.open(page, language, "/asked?from=soon"), 200);
        assert.equal(await page.getByRole("alert").count(), 1);
        await look(page, "asked-error");
        await page.goto(`${DESK}/${language}/lists`);
        await look(page, "lists");
        await page.getByRole("button", { name: words("lists-check-all") }).click();
        await page.waitForURL(/\/lists\/check$/);
        assert.equal(await page.locator(".tacit-answer--listed").count(), 1);
        assert.ok((await page.locator(".tacit-answer--not-listed").count()) >= 1);
        await look(page, "answers");
        await page.locator(".tacit-answer--listed").getByRole("link").first().click();
        await look(page, "list");
        await page.goto(`${DESK}/${language}/lists/tax/trusted-taxpayers`);
        await look(page, "list-favorable");
        assert.equal(await desk.open(page, language, "/nothing"), 404);
        await look(page, "not-found");
        await desk.logOut(page, language, "/asked");
      });
    });

    test(`a notice is read, and what one may do about it: ${way.name}`, async () => {
      await visit(run.browser, way, async (page) => {
        const look = desk.look(way);
        await desk.logIn(page, language, "paper");
        assert.ok((await page.locator(".govuk-notification-banner__link").count()) >= 1);
        await look(page, "home-alerts");
        await page.goto(`${DESK}/${language}/matters`);
        await look(page, "matters");
        const all = JSON.parse(await taken(page, page.getByRole("link", { name: "JSON" })));
        assert.ok(all.letters.length >= 1);
        await page.locator("tbody a").last().click();
        await page.waitForURL(/\/letters\/[0-9A-Z]{26}$/);
        await look(page, "letter");
        assert.ok(JSON.parse(await taken(page, page.locator('a[href$="/file"]'))));
        await page.locator("a.govuk-button").click();
        await page.waitForURL(/\/objections\/new\?list=/);
        await look(page, "object");
        await page.locator("main form button").click();
        await page.waitForURL(/\/objections\/new$/);
        assert.equal(await page.getByRole("alert").count(), 1);
        await look(page, "object-error");
      });
    });
  }

  for (const language of LANGUAGES) {
    test(`who is on no list and was asked about by nobody is told so on every page: ${language}`, async () => {
      await visit(run.browser, { language }, async (page) => {
        await desk.logIn(page, language, "nobody");
        await desk.judge(page, language, "home-nothing");
        for (const [path, key] of [
          ["/asked", "asked-none"],
          ["/consents", "consents-none"],
          ["/matters", "letters-none"],
          ["/acting", "acting-none"],
          ["/acted", "acted-none"],
        ]) {
          // Nothing is said before the log was read for somebody.
          for (let again = 0; again < 100; again += 1) {
            assert.equal(await desk.open(page, language, path), 200);
            if ((await page.textContent("main")).includes(say(language, key))) break;
            await page.waitForTimeout(300);
          }
          assert.ok((await page.textContent("main")).includes(say(language, key)), path);
          await desk.judge(page, language, `${path.slice(1)}-nothing`);
        }
      });
    });

    test(`a login that nobody began here, or that comes back twice, logs nobody in: ${language}`, async () => {
      await visit(run.browser, { language }, async (page) => {
        const answer = await page.goto(`${DESK}/login/callback?code=abc&state=def`);
        assert.equal(answer.status(), 403);
        await desk.judge(page, language, "login-failed");
        let callback;
        page.on("request", (request) => {
          if (request.url().includes("/login/callback?code")) callback = request.url();
        });
        await desk.logIn(page, language, "paper");
        assert.ok(callback);
        assert.equal((await page.goto(callback)).status(), 403);
        // Who is logged in is not told otherwise.
        await desk.open(page, language, "/goodbye");
        assert.equal(page.url(), `${DESK}/${language}/`);
        await desk.logOut(page, language, "/asked");
        assert.equal(await desk.open(page, language, "/goodbye"), 200);
        await desk.judge(page, language, "goodbye");
      });
    });
  }

  test("the keyboard alone goes from login to an entry and sees where it is", async () => {
    await visit(run.browser, {}, async (page) => {
      await desk.logIn(page, "en", "paper");
      await page.waitForSelector("body.js-enabled");
      const keyboard = keyboardOnly(page);
      await keyboard.to("Skip to main content");
      await keyboard.to("Who asked about me");
      await keyboard.press("Enter");
      await page.waitForURL(`${DESK}/en/asked`);
      await page.waitForSelector("body.js-enabled");
      await keyboard.to(/^No\. /);
      await keyboard.press("Enter");
      await page.waitForURL(/\/asked\/[0-9A-Z]{26}$/);
    });
  });

  test("no page weighs more than a page may, and the service says that it is alive", async () => {
    await visit(run.browser, {}, async (page) => {
      await notHeavy(page, `${DESK}/en/`);
      await desk.logIn(page, "en", "paper");
      for (const path of ["/asked", "/lists", "/consents", "/matters"]) await notHeavy(page, `${DESK}/en${path}`);
      assert.equal((await page.goto(`${DESK}/healthz`)).status(), 200);
    });
  });
});
