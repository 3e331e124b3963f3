// The auditor desk in a browser, against a running federation and a real identity provider: from login to logout, in
// both languages, with scripts and without, with the keyboard alone.
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
} from "../support/index.mjs";

const DESK = settings.desks.auditor;
const VERIFIED = { en: "Verified to tree size", zh: "已验证至树大小" };

describe("the auditor desk", { skip: missingBrowser() || (DESK ? false : "no auditor desk runs") }, () => {
  const desk = deskAt("auditor", DESK);
  const run = running({ auditor: DESK });

  // The log is followed every few seconds; a page without a script is looked at again.
  async function verified(page, language) {
    for (let again = 0; again < 100; again += 1) {
      if ((await page.textContent("main")).includes(VERIFIED[language])) return;
      await new Promise((done) => setTimeout(done, 300));
      await page.reload();
    }
    assert.fail("the log is never verified");
  }

  for (const way of WAYS) {
    const { language } = way;
    test(`an auditor finds a refused check and takes its proof away: ${way.name}`, async () => {
      await visit(run.browser, way, async (page) => {
        const words = (key) => say(language, key);
        const look = (name) => desk.look(way)(page, name);
        await page.goto(`${DESK}/`);
        await page.waitForURL(/\/login\?to=/);
        await look("login");
        await desk.logIn(page, language, "zhao");
        await verified(page, language);
        await look("overview");
        for (const [way, name] of [["changes", "consents"], ["agreements", "agreements"], ["chain", "chain"], ["signals", "signals"]]) {
          await page.getByRole("link", { name: words(`nav-${way}`), exact: true }).first().click();
          await page.waitForURL(`${DESK}/${language}/${name}`);
          await look(name);
        }
        await page.getByRole("button", { name: words("signals-count") }).click();
        await page.waitForSelector("tbody");
        await look("signals-counted");
        await page.getByRole("link", { name: words("nav-log") }).first().click();
        await page.waitForURL(`${DESK}/${language}/log`);
        assert.ok((await page.locator("tbody tr").count()) > 2);
        await look("log");
        await page.locator("#decision").selectOption("refused");
        await page.getByRole("button", { name: words("log-show") }).click();
        await page.waitForURL(/decision=refused/);
        const found = await page.locator("tbody tr").count();
        assert.ok(found > 0);
        assert.equal(await page.locator("tbody tr .govuk-tag").count(), found);
        await look("log-filtered");
        const [table] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: words("export-csv") }).click()]);
        assert.match(await readFile(await table.path(), "utf8"), /^index,kind,id,time,fields\n\d+,refused,/);
        await page.locator("tbody a").first().click();
        await page.waitForURL(/\/log\/\d+$/);
        await look("entry");
        const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: /tlog-proof/ }).click()]);
        assert.match(await readFile(await download.path(), "utf8"), /^c2sp\.org\/tlog-proof@v1\n/);
        const [record] = await Promise.all([page.waitForEvent("download"), page.locator('a[href$="/record"]').click()]);
        assert.ok((await readFile(await record.path())).length > 50);
        await page.getByRole("button", { name: words("record-follow") }).click();
        await page.waitForURL(/\/follow$/);
        assert.ok((await page.locator("tbody tr").count()) > 0);
        await look("follow");
        // What was read is there as long as the session, and is not read again.
        await page.goto(page.url());
        assert.match(page.url(), /\/follow$/);
        assert.equal((await page.goto(`${DESK}/${language}/log?until=2020-01-01`)).status(), 200);
        assert.equal(await page.locator(".tacit-empty").count(), 1);
        await look("log-empty");
        assert.equal((await page.goto(`${DESK}/${language}/log?index=x&from=soon`)).status(), 200);
        assert.equal(await page.getByRole("alert").count(), 1);
        await look("log-error");
        await desk.logOut(page, language, "/log");
      });
    });
  }

  test("the keyboard alone goes from login to an entry and sees where it is", async () => {
    await visit(run.browser, {}, async (page) => {
      await desk.logIn(page, "en", "zhao");
      await verified(page, "en");
      await page.waitForSelector("body.js-enabled");
      const keyboard = keyboardOnly(page);
      await keyboard.to("Skip to main content");
      await keyboard.to("Access log");
      await keyboard.press("Enter");
      await page.waitForURL(`${DESK}/en/log`);
      await page.waitForSelector("body.js-enabled");
      await keyboard.to(/^\d+$/);
      await keyboard.press("Enter");
      await page.waitForURL(/\/log\/\d+$/);
    });
  });

  for (const language of LANGUAGES) {
    test(`the login does not let in who is no auditor: ${language}`, async () => {
      await visit(run.browser, { language }, async (page) => {
        await page.goto(`${DESK}/${language}/login`);
        await page.getByRole("button", { name: say(language, "login-go") }).click();
        await login(page, "paper");
        await page.getByRole("heading", { name: say(language, "problem-not-allowed") }).waitFor();
        await desk.judge(page, language, "no-auditor");
        assert.equal(await desk.open(page, language, "/goodbye"), 200);
        await desk.judge(page, language, "goodbye");
      });
    });
  }

  test("no page weighs more than a page may, and the service says that it is alive", async () => {
    await visit(run.browser, {}, async (page) => {
      await desk.logIn(page, "en", "zhao");
      for (const path of ["/", "/log", "/consents", "/agreements", "/signals", "/chain"]) await notHeavy(page, `${DESK}/en${path}`);
      assert.equal((await page.goto(`${DESK}/healthz`)).status(), 200);
    });
  });
});
