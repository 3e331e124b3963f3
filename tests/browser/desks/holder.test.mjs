// An objection from the first word to the last: written at the subject desk, decided at the officer desk of who keeps the
// list, read at the subject desk, appealed, and decided at the officer desk of who reviews. In both languages, with scripts
// and without, with the keyboard alone.
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
  walker,
} from "../support/index.mjs";

const { subject, holder, review } = settings.desks;
const LIST = "court/judgment-defaulters";
const TITLE = "Judgment defaulters (失信被执行人名单)";
const REASONS = {
  en: "The payment of May is for another judgment.",
  zh: "五月的付款对应另一份判决。",
};

const missing = subject && holder && review ? false : "there are no desks of who decides objections";

describe("the officer desks that decide objections", { skip: missingBrowser() || missing }, () => {
  const person = deskAt("subject", subject);
  const court = deskAt("holder", holder);
  const reviewer = deskAt("review", review);
  const run = running({ subject, holder, review });

  // Looks at a page again until what is wanted is there; letters travel.
  async function until(page, address, wanted) {
    const until = Date.now() + 60_000;
    for (;;) {
      await page.goto(address);
      if (await wanted()) return;
      if (Date.now() > until) assert.fail(`it never comes: ${address}\n${await page.textContent("main")}`);
      await page.waitForTimeout(300);
    }
  }

  const there = (page, selector) => async () => (await page.locator(selector).count()) > 0;

  // Decides the case that is open: first nothing, which is refused field by field, then this.
  async function decide(page, look, { language, outcome, corrected = "", name }) {
    await page.locator("main form button").click();
    await page.waitForSelector("[role=alert]");
    assert.equal(await page.getByRole("alert").getByRole("link").count(), 3);
    await look(page, `${name}-error`);
    await page.locator(`input[name=outcome][value=${outcome}]`).check();
    await page.locator("#corrected").fill(corrected);
    await page.locator("#reasons").fill(REASONS[language]);
    await page.locator("#decided_by").fill("Judge Li");
    await page.locator("main form button").click();
    // Once.
    await page.waitForSelector("#decided_by", { state: "detached" });
    assert.ok((await page.textContent("main dl")).includes(say(language, `case-outcome-${outcome}`)));
    await look(page, `${name}-decided`);
  }

  for (const way of WAYS) {
    const { language, script } = way;
    const words = (key, values) => say(language, key, values);

    test(`an objection arrives, is decided, and its letter is read; so is an appeal: ${way.name}`, async () => {
      let id;
      await visit(run.browser, way, async (page) => {
        const look = person.look(way);
        await person.logIn(page, language, walker(way));
        await page.goto(`${subject}/${language}/matters`);
        await page.getByRole("link", { name: words("letter-kind-listing-notice", { list: TITLE }) }).click();
        await page.waitForURL(/\/letters\/[0-9A-Z]{26}$/);
        await page.locator("a.govuk-button").click();
        await page.waitForURL(/\/objections\/new\?list=/);
        assert.equal(await page.locator("#list").inputValue(), LIST);
        await page.locator("#text").fill(`It was paid in May.\nThe bailiff has the receipt. (${walker(way)})`);
        await page.locator("main form button").click();
        await page.getByRole("heading", { name: words("filed-objection") }).waitFor();
        await look(page, "filed");
        await page.getByRole("link", { name: words("filed-follow") }).click();
        await page.waitForURL(/\/objections\/[0-9A-Z]{26}$/);
        await look(page, "matter");
        id = page.url().slice(-26);
      });

      const outcome = script ? "upheld" : "corrected";
      await visit(run.browser, way, async (page) => {
        const look = court.look(way);
        await court.logIn(page, language, "sun");
        await until(page, `${holder}/${language}/cases`, there(page, `a[href$="/cases/objection/${id}"]`));
        await look(page, "cases");
        await page.goto(`${holder}/${language}/`);
        await look(page, "home-waiting");
        await page.locator('.govuk-notification-banner a[href*="/cases?level=objection"]').click();
        await page.waitForURL(/\/cases\?level=objection$/);
        assert.equal((await page.textContent("main")).includes(settings.walk.codes[walker(way)]), false, "the queue does not say whom");
        await page.locator(`a[href$="/cases/objection/${id}"]`).click();
        await page.waitForURL(new RegExp(`/cases/objection/${id}$`));
        const said = await page.textContent("main");
        assert.ok(said.includes(`(${walker(way)})`) && said.includes(settings.walk.codes[walker(way)]));
        await look(page, "case");
        const corrected = script ? "" : "The amount is 12,000 yuan.";
        await decide(page, look, { language, outcome, corrected, name: "case" });
        await page.goto(`${holder}/${language}/cases?level=objection&over=1`);
        assert.equal(await page.locator(`a[href$="/cases/objection/${id}"]`).count(), 1);
        await look(page, "cases-over");
        await page.goto(`${holder}/${language}/cases?level=appeal`);
        assert.equal(await page.locator(".tacit-empty").count(), 1);
        await look(page, "appeals-empty");
        await court.logOut(page, language, "/cases");
      });

      await visit(run.browser, way, async (page) => {
        const look = person.look(way);
        await person.logIn(page, language, walker(way));
        const letter = page.getByRole("link", { name: words("letter-kind-decision", { list: TITLE }) });
        await until(page, `${subject}/${language}/matters`, async () => (await letter.count()) > 0);
        await look(page, "matters-decided");
        await letter.click();
        await page.waitForURL(/\/letters\/[0-9A-Z]{26}$/);
        assert.ok((await page.textContent("main")).includes(REASONS[language]));
        await look(page, "letter-decision");
        const [file] = await Promise.all([page.waitForEvent("download"), page.locator('a[href$="/file"]').click()]);
        assert.ok((await readFile(await file.path(), "utf8")).includes(REASONS[language]));
        await page.locator(`a[href$="/objections/${id}"]`).click();
        await page.waitForURL(/\/objections\/[0-9A-Z]{26}$/);
        assert.ok((await page.textContent("main")).includes(words(`ruling-${outcome}`)));
        await look(page, "matter-decided");
        if (!script) return;
        await page.locator("main form button").click();
        await page.waitForSelector("[role=alert]");
        await look(page, "appeal-error");
        await page.locator("#text").fill("The receipt names this judgment.");
        await page.locator("main form button").click();
        await page.getByRole("heading", { name: words("filed-appeal") }).waitFor();
        await look(page, "filed-appeal");
      });
      if (!script) return;

      await visit(run.browser, way, async (page) => {
        const look = reviewer.look(way);
        await reviewer.logIn(page, language, "sun");
        await page.goto(`${review}/${language}/cases`);
        assert.equal(await page.locator(".tacit-empty").count(), 1);
        await look(page, "cases-empty");
        await until(page, `${review}/${language}/cases?level=appeal`, there(page, `a[href$="/cases/appeal/${id}"]`));
        await look(page, "appeals");
        await page.goto(`${review}/${language}/`);
        await look(page, "home-waiting");
        await page.locator('.govuk-notification-banner a[href*="/cases?level=appeal"]').click();
        await page.locator(`a[href$="/cases/appeal/${id}"]`).click();
        await page.waitForURL(new RegExp(`/cases/appeal/${id}$`));
        assert.ok((await page.textContent("main")).includes("The receipt names this judgment."));
        await look(page, "appeal");
        await decide(page, look, { language, outcome: "annulled", name: "appeal" });
        await page.goto(`${review}/${language}/`);
        assert.equal(await page.locator(".govuk-notification-banner").count(), 0, "nothing waits any more");
        await look(page, "home-nothing-waits");
        await reviewer.logOut(page, language, "/cases");
      });
      await visit(run.browser, way, async (page) => {
        await person.logIn(page, language, walker(way));
        const reviewed = async () => (await page.textContent("main")).includes(words("matter-state-reviewed"));
        await until(page, `${subject}/${language}/objections/${id}`, reviewed);
        assert.ok((await page.textContent("main")).includes(words("ruling-annulled")));
        await person.judge(page, language, "matter-reviewed");
        await person.logOut(page, language, "/matters");
      });
      await visit(run.browser, way, async (page) => {
        await court.logIn(page, language, "sun");
        const address = `${holder}/${language}/cases/objection/${id}`;
        await until(page, address, async () => (await page.textContent("main")).includes(words("case-state-reviewed")));
        const said = await page.textContent("main");
        assert.equal(said.split(`(${walker(way)})`).length, 2, "what the appeal encloses was shown before");
        assert.ok(said.includes("The receipt names this judgment.") && said.includes(words("letter-review-decision")));
        await court.judge(page, language, "case-reviewed");
      });
    });
  }

  for (const language of LANGUAGES) {
    test(`who does not decide sees nothing of objections, nor whether there are any: ${language}`, async () => {
      await visit(run.browser, { language }, async (page) => {
        await court.logIn(page, language, "chen");
        assert.equal(await page.locator(".govuk-notification-banner, a[href*=cases]").count(), 0);
        assert.equal(await court.open(page, language, "/cases"), 403);
        await court.judge(page, language, "cases-not-allowed");
        assert.equal(await court.open(page, language, "/check"), 200);
        await court.judge(page, language, "check-none");
        assert.equal(await court.open(page, language, "/node"), 200);
        await court.judge(page, language, "node");
      });
    });
  }

  test("the keyboard alone writes an objection and decides it", async () => {
    let id;
    await visit(run.browser, {}, async (page) => {
      await person.logIn(page, "en", "paper");
      await page.goto(`${subject}/en/objections/new?list=${LIST}`);
      await page.waitForSelector("body.js-enabled");
      const keyboard = keyboardOnly(page);
      await keyboard.to("What is wrong, and why?");
      await keyboard.type("It was paid in May.");
      await keyboard.to("Send the objection");
      await keyboard.press("Enter");
      await page.getByRole("heading", { name: "Your objection has been received" }).waitFor();
      id = (await page.getByRole("link", { name: "Follow it here" }).getAttribute("href")).slice(-26);
    });
    await visit(run.browser, {}, async (page) => {
      await court.logIn(page, "en", "sun");
      await until(page, `${holder}/en/cases`, there(page, `a[href$="/cases/objection/${id}"]`));
      await page.waitForSelector("body.js-enabled");
      const keyboard = keyboardOnly(page);
      await keyboard.to(new RegExp(id));
      await keyboard.press("Enter");
      await page.waitForURL(/\/cases\/objection\/[0-9A-Z]{26}$/);
      await page.waitForSelector("body.js-enabled");
      await keyboard.to("The listing stands");
      await keyboard.press("Space");
      await keyboard.to("Reasons");
      await keyboard.type("It was paid for another judgment.");
      await keyboard.to("Who decides");
      await keyboard.type("Judge Li");
      await keyboard.to("Record the decision");
      await keyboard.press("Enter");
      await page.waitForSelector("#decided_by", { state: "detached" });
      assert.ok((await page.textContent("main")).includes("It was paid for another judgment."));
    });
  });

  test("a case weighs no more than a page may", async () => {
    await visit(run.browser, {}, async (page) => {
      await court.logIn(page, "en", "sun");
      await page.goto(`${holder}/en/cases?over=1&level=objection`);
      await notHeavy(page, await page.locator("tbody a").first().evaluate((link) => link.href));
    });
  });
});
