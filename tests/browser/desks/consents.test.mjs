// A consent from the request to the withdrawal, and one of one's own accord, at the subject desk and on the command line of
// who asks: the very next check goes by it. In both languages, with scripts and without, with the keyboard alone.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";

import {
  LANGUAGES,
  WAYS,
  deskAt,
  keyboardOnly,
  missingBrowser,
  onCommandLine,
  running,
  say,
  settings,
  visit,
  walker,
} from "../support/index.mjs";

const DESK = settings.desks.subject;
const QUESTION = ["--list", "tax/serious-violations", "--purpose", "vendor-selection"];

describe("consents at the subject desk", { skip: missingBrowser() || (DESK ? false : "no subject desk runs") }, () => {
  const desk = deskAt("subject", DESK);
  const run = running({ subject: DESK });

  const check = (code) => onCommandLine("check", code, ...QUESTION, "--case", "CLI-1");
  const request = (code) =>
    onCommandLine("consent", "ask", code, ...QUESTION, "--days", "60", "--frequency", "9 DAY", "--officer", "li");

  // Opens the consents until a request is there: it comes by way of the authority.
  async function requested(page, language) {
    for (let again = 0; again < 100; again += 1) {
      await page.goto(`${DESK}/${language}/consents`);
      if ((await page.locator('a[href*="/requests/"]').count()) > 0) return;
      await page.waitForTimeout(300);
    }
    assert.fail("the request never comes");
  }

  for (const way of WAYS) {
    const { language } = way;
    const words = (key, values) => say(language, key, values);

    test(`a request is read, allowed in part, and the consent taken back: ${way.name}`, async () => {
      const code = settings.walk.codes[walker(way)];
      const asked = await request(code);
      assert.equal(asked.code, 0, asked.said);
      await visit(run.browser, way, async (page) => {
        const look = desk.look(way);
        await desk.logIn(page, language, walker(way));
        await requested(page, language);
        await look(page, "consents-requested");
        await page.goto(`${DESK}/${language}/`);
        await look(page, "home-request");
        await page.locator('.govuk-notification-banner a[href*="/requests/"]').click();
        await page.waitForURL(/\/requests\/[0-9A-Z]{26}$/);
        await look(page, "request");
        assert.equal(await page.locator("input:checked").count(), 0, "nothing is ticked beforehand");
        const allow = page.getByRole("button", { name: words("change-allow") });
        await allow.click();
        await page.waitForSelector("[role=alert]");
        await look(page, "request-error");
        for (const name of ["list", "purpose"]) await page.locator(`input[name=${name}]`).first().check();
        await page.locator('input[name=days][value="30"]').check();
        await allow.click();
        await page.getByRole("heading", { name: words("changed-given") }).waitFor();
        const allowed = await check(code);
        assert.equal(allowed.code, 0, allowed.said);
        assert.match(allowed.said, /not_listed/);
        await look(page, "allowed");

        await page.goto(`${DESK}/${language}/consents`);
        await look(page, "consents-one");
        await page.locator("tbody").getByRole("link").first().click();
        await page.waitForURL(/\/consents\/[0-9A-Z]{26}$/);
        await look(page, "consent");
        const [receipt] = await Promise.all([page.waitForEvent("download"), page.locator('a[href$="/receipt"]').click()]);
        assert.ok(JSON.parse(await readFile(await receipt.path(), "utf8"))["schema_version"]);
        await page.getByRole("button", { name: words("change-withdraw") }).click();
        await page.getByRole("heading", { name: words("withdraw-title") }).waitFor();
        await look(page, "withdraw");
        await page.getByRole("button", { name: words("change-withdraw") }).click();
        await page.getByRole("heading", { name: words("changed-withdrawn") }).waitFor();
        // The very next check, on the command line.
        const refused = await check(code);
        assert.equal(refused.code, 3, refused.said);
        assert.match(refused.said, /consent_required/);
        await look(page, "withdrawn");
        await desk.logOut(page, language, "/consents");
      });
    });

    test(`a consent of one's own accord is read, given, and confirmed again: ${way.name}`, async () => {
      await visit(run.browser, way, async (page) => {
        const look = desk.look(way);
        await desk.logIn(page, language, walker(way));
        await page.goto(`${DESK}/${language}/consents/new`);
        await look(page, "grant");
        await page.locator("section a").first().click();
        await page.waitForURL(/agreement=/);
        assert.equal(await page.locator("input:checked").count(), 0, "nothing is ticked beforehand");
        await look(page, "grant-choose");
        await page.locator("main form button").click();
        await page.waitForSelector("[role=alert]");
        await look(page, "grant-error");
        for (const name of ["list", "purpose", "frequency", "days"]) await page.locator(`input[name=${name}]`).first().check();
        await page.locator("main form button").click();
        await page.getByRole("heading", { name: words("grant-review") }).waitFor();
        await look(page, "grant-review");
        await page.getByRole("button", { name: words("grant-give") }).click();
        await page.getByRole("heading", { name: words("changed-given") }).waitFor();
        await page.goto(`${DESK}/${language}/consents`);
        await page.locator("tbody").getByRole("link").first().click();
        await page.getByRole("button", { name: words("change-renew") }).click();
        await page.getByRole("heading", { name: words("renew-title") }).waitFor();
        await look(page, "renew");
        await page.locator("main form button").click();
        await page.waitForSelector("[role=alert]");
        await look(page, "renew-error");
        await page.locator('input[name=days][value="365"]').check();
        await page.locator("main form button").click();
        await page.getByRole("heading", { name: words("changed-renewed") }).waitFor();
        await page.goto(`${DESK}/${language}/consents`);
        await look(page, "consents-renewed");
      });
    });
  }

  for (const language of LANGUAGES) {
    test(`a request is refused, and nothing is allowed by it: ${language}`, async () => {
      const code = settings.walk.codes.held;
      const asked = await request(code);
      assert.equal(asked.code, 0, asked.said);
      await visit(run.browser, { language }, async (page) => {
        await desk.logIn(page, language, "held");
        await requested(page, language);
        await page.locator('a[href*="/requests/"]').first().click();
        await page.getByRole("button", { name: say(language, "change-refuse") }).click();
        await page.getByRole("heading", { name: say(language, "changed-refused") }).waitFor();
        await desk.judge(page, language, "refused");
      });
      const refused = await check(code);
      assert.equal(refused.code, 3, refused.said);
    });
  }

  test("the keyboard alone reads a request and allows it", async () => {
    await visit(run.browser, {}, async (page) => {
      await desk.logIn(page, "en", "paper");
      await requested(page, "en");
      await page.waitForSelector("body.js-enabled");
      const keyboard = keyboardOnly(page);
      await keyboard.to(/^Read the request/);
      await keyboard.press("Enter");
      await page.waitForURL(/\/requests\/[0-9A-Z]{26}$/);
      await page.waitForSelector("body.js-enabled");
      await keyboard.to(/^Serious tax violations/);
      await keyboard.press("Space");
      await keyboard.to(/^Choosing among bidders/);
      await keyboard.press("Space");
      await keyboard.to("30 days");
      await keyboard.press("Space");
      await keyboard.to("Allow what I ticked");
      await keyboard.press("Enter");
      await page.getByRole("heading", { name: "Your consent is in force" }).waitFor();
    });
  });
});
