// The officer desk in a browser, against a running node and a real identity provider: one check from login to logout, what
// rests on it, and what is refused, in both languages, with scripts and without, with the keyboard alone.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";

import {
  axe,
  confirmLogout,
  deskClient,
  keyboardOnly,
  launch,
  login,
  missingBrowser,
  noHorizontalScroll,
  notHeavy,
  pictures,
  settings,
  startProvider,
  visit,
} from "../support/index.mjs";

const DESK = settings.desks.officer;
// A code that the tax list holds.
const CODE = process.env.TACIT_CODE_LISTED;
const OTHER = process.env.TACIT_CODE_OTHER;
const ELIGIBILITY = "tax/serious-violations public-procurement-eligibility";
const SELECTION = "tax/serious-violations vendor-selection";
const WORDS = {
  en: { logIn: "Log in", go: "Continue", check: "Check", ask: "Ask for consent", register: "Register", lift: "Lift for good", logOut: "Log out", upload: "Upload", start: /^Ask now/, stop: "Stop", discard: /^Discard/ },
  zh: { logIn: "登录", go: "继续", check: "查询", ask: "请求同意", register: "登记", lift: "确定解除", logOut: "退出", upload: "上传", start: /^开始查询/, stop: "停止", discard: /^放弃/ },
};

describe("the officer desk", { skip: missingBrowser() || (DESK ? false : "no officer desk runs") }, () => {
  let browser;
  let provider;
  before(async () => {
    browser = await launch();
    provider = await startProvider({ clients: [deskClient("officer", DESK)] });
  });
  after(async () => {
    await browser?.close();
    await provider?.stop();
  });

  async function logIn(page, language, account) {
    await page.goto(`${DESK}/${language}/`);
    await page.getByRole("button", { name: WORDS[language].logIn, exact: true }).click();
    await page.getByRole("button", { name: WORDS[language].go }).click();
    await login(page, account);
    await page.waitForURL(`${DESK}/${language}/`);
  }

  // A page as it stands: nothing that axe finds, and pictures of it.
  async function judge(page, language, name) {
    await page.waitForSelector("body.js-enabled");
    assert.equal(await page.getAttribute("html", "lang"), language === "en" ? "en" : "zh-Hans");
    await axe(page);
    await noHorizontalScroll(page);
    await pictures(page, { desk: "officer", name, language });
  }

  async function ask(page, language, code, choice, number) {
    await page.goto(`${DESK}/${language}/check`);
    await page.locator("#code").fill(code);
    await page.locator(`input[value="${choice}"]`).check();
    await page.locator("#case_number").fill(number);
    await page.getByRole("button", { name: WORDS[language].check, exact: true }).click();
    await page.waitForSelector(".tacit-answer");
  }

  for (const language of ["en", "zh"]) {
    for (const script of [true, false]) {
      test(`an officer asks, reads, keeps the receipt and logs out: ${language}, ${script ? "with" : "without"} a script`, async () => {
        await visit(browser, { language, script }, async (page) => {
          const words = WORDS[language];
          const look = (name) => (script ? judge(page, language, name) : Promise.resolve());
          const number = `2026-${language}-${script}`;
          await page.goto(`${DESK}/`);
          await look("start");
          await logIn(page, language, "chen");
          await look("home");
          await page.goto(`${DESK}/${language}/checks?case=${number}`);
          await look("checks-empty");
          await page.goto(`${DESK}/${language}/check`);
          await look("check");
          await page.locator("#code").fill(`${CODE.slice(0, 17)}!`);
          await page.getByRole("button", { name: words.check, exact: true }).click();
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
          await page.getByRole("button", { name: words.register, exact: true }).click();
          await page.waitForSelector("[role=alert]");
          await look("measure-error");
          await page.locator("#decider").fill("Tender office");
          await page.getByRole("button", { name: words.register, exact: true }).click();
          await page.waitForSelector(".govuk-panel");
          await look("measure-registered");
          await page.goto(`${DESK}/${language}/measures`);
          await look("measures");
          const row = page.locator("tbody tr").filter({ hasText: number });
          await row.locator("summary").click();
          await row.locator("input[name=decider]").fill("Tender office");
          await row.getByRole("button", { name: words.lift }).click();
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
          await page.getByRole("button", { name: words.logOut }).click();
          await confirmLogout(page);
          await page.waitForURL(new RegExp(`${DESK}/`));
          await page.goto(`${DESK}/${language}/checks`);
          await page.waitForURL(/\/login\?to=/);
        });
      });
    }

    test(`consent that is missing is asked for where the question was refused: ${language}`, async () => {
      await visit(browser, { language }, async (page) => {
        await logIn(page, language, "chen");
        await ask(page, language, language === "en" ? CODE : OTHER, SELECTION, "2026-9");
        assert.equal(await page.locator(".tacit-answer--none").count(), 1);
        await judge(page, language, "answer-refused");
        await page.getByRole("button", { name: WORDS[language].ask }).click();
        await page.waitForSelector("[role=alert]");
        await judge(page, language, "ask-error");
        await page.locator("#days").fill("90");
        await page.locator("#times").fill("4");
        await page.getByRole("button", { name: WORDS[language].ask }).click();
        await page.waitForURL(/\/consents\/[0-9A-Z]{26}$/);
        await judge(page, language, "consent-waits");
        await page.goto(`${DESK}/${language}/consents`);
        assert.ok((await page.locator("tbody tr").count()) > 0);
        await judge(page, language, "consents");
      });
    });
  }

  async function upload(page, language, rows, number) {
    await page.goto(`${DESK}/${language}/batch`);
    await page.locator(`input[value="${ELIGIBILITY}"]`).check();
    await page.locator("#case_number").fill(number);
    await page.locator("#file").setInputFiles({ name: "codes.csv", mimeType: "text/csv", buffer: Buffer.from(rows) });
    await page.getByRole("button", { name: WORDS[language].upload, exact: true }).click();
    await page.waitForSelector("#forget");
  }

  for (const language of ["en", "zh"]) {
    for (const script of [true, false]) {
      test(`a file is uploaded, planned, asked and taken away: ${language}, ${script ? "with" : "without"} a script`, async () => {
        await visit(browser, { language, script }, async (page) => {
          const words = WORDS[language];
          const look = (name) => (script ? judge(page, language, name) : Promise.resolve());
          await logIn(page, language, "chen");
          await page.goto(`${DESK}/${language}/batch`);
          await look("batch");
          await page.getByRole("button", { name: words.upload, exact: true }).click();
          await page.waitForSelector("[role=alert]");
          assert.equal(await page.getByRole("alert").getByRole("link").count(), 3);
          await look("batch-error");

          const file = `code,case\n${CODE},K-1\n${CODE.slice(0, 17)}!,\n,K-3\n${OTHER},\n`;
          await upload(page, language, file, `2026-b-${language}-${script}`);
          assert.equal(await page.locator("tbody tr").count(), 2);
          await look("batch-plan");
          await page.getByRole("button", { name: words.start }).click();
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
          await page.goto(`${DESK}/${language}/batch?show=wrong`);
          assert.equal(await page.locator("tbody tr").count(), 2);
          await page.getByRole("button", { name: words.discard }).click();
          await page.waitForSelector("#file");
        });
      });
    }
  }

  test("the keyboard alone makes a check and sees where it is", async () => {
    await visit(browser, {}, async (page) => {
      await logIn(page, "en", "chen");
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

  test("who has no role is nobody here", async () => {
    await visit(browser, {}, async (page) => {
      await page.goto(`${DESK}/en/`);
      await page.getByRole("button", { name: "Log in", exact: true }).click();
      await page.getByRole("button", { name: "Continue" }).click();
      await login(page, "paper");
      await page.getByRole("heading", { name: "You cannot use this page" }).waitFor();
      await judge(page, "en", "no-role");
    });
  });

  for (const language of ["en", "zh"]) {
    test(`a batch that runs is left, found again and stopped: ${language}`, async () => {
      await visit(browser, { language }, async (page) => {
        await logIn(page, language, "chen");
        // Each row a case of its own: it takes its time.
        const rows = Array.from({ length: 1500 }, (_, at) => `${OTHER},K-${at}\n`).join("");
        await upload(page, language, `code,case\n${rows}`, "2026-long");
        await page.getByRole("button", { name: WORDS[language].start }).click();
        await page.waitForSelector("progress");
        await judge(page, language, "batch-running");
        await page.goto(`${DESK}/${language}/checks`);
        await page.goto(`${DESK}/${language}/batch`);
        const value = () => page.locator("progress").evaluate((bar) => bar.value);
        const before = await value();
        await page.waitForFunction((past) => document.querySelector("progress")?.value > past, before);
        await page.getByRole("button", { name: WORDS[language].stop, exact: true }).click();
        await page.waitForSelector(".govuk-inset-text");
        await judge(page, language, "batch-stopped");
      });
    });
  }

  test("the first page weighs no more than a page may", async () => {
    await visit(browser, {}, (page) => notHeavy(page, `${DESK}/en/`));
  });
});
