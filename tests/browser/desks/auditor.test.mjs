// The auditor desk in a browser, against a running federation and a real identity provider: from login to logout, in
// both languages, with scripts and without, with the keyboard alone.
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

const DESK = settings.desks.auditor;
const SECOND = settings.desks.secondAuditor;
const LANGUAGES = ["en", "zh"];
const WORDS = {
  en: { go: "Continue", consents: "Consents", follow: "Read all about this subject", agreements: "Agreements", signals: "Signals", count: "Count now", chain: "Verification", csv: "Download as CSV", log: "Access log", show: "Show", logOut: "Log out", verified: "Verified to tree size", open: "Ask for the audit box to be opened", ask: "Ask for the opening", ground: "Drawn by the sample of November", waits: "Waits for approval", approve: "Approve this opening", approved: "Approved, not read yet", read: "Open the box and read", holds: "The subject in the box is the one that was registered", demand: "Demand the case and the officer", demanded: "Demand the case", judge: "Read and verify the answers", proven: "it opens the commitment", boxes: "Audit boxes", findings: "Findings" },
  zh: { go: "继续", consents: "同意", follow: "读取关于该主体的全部记录", agreements: "协议", signals: "异常信号", count: "立即计数", chain: "日志验证", csv: "下载 CSV", log: "访问日志", show: "显示", logOut: "退出", verified: "已验证至树大小", open: "申请打开审计箱", ask: "申请打开", ground: "十一月抽样抽中", waits: "等待批准", approve: "批准打开", approved: "已批准，尚未读取", read: "打开并读取", holds: "箱中所写的主体就是登记的主体", demand: "要求提供案件和经办人", demanded: "要求提供案件", judge: "读取并验证答复", proven: "能够打开记录中的承诺值", boxes: "审计箱", findings: "审计发现" },
};

describe("the auditor desk", { skip: missingBrowser() || (DESK ? false : "no auditor desk runs") }, () => {
  let browser;
  let provider;
  before(async () => {
    browser = await launch();
    provider = await startProvider({ clients: [deskClient("auditor", DESK), deskClient("second", SECOND)] });
  });
  after(async () => {
    await browser?.close();
    await provider?.stop();
  });

  async function logIn(page, language, account = "zhao", desk = DESK) {
    await page.goto(`${desk}/${language}/`);
    await page.getByRole("button", { name: WORDS[language].go }).click();
    await login(page, account);
  }

  // The log is followed every few seconds; a page without a script is looked at again.
  async function verified(page, language) {
    for (let again = 0; again < 100; again += 1) {
      if ((await page.textContent("main")).includes(WORDS[language].verified)) return;
      await new Promise((done) => setTimeout(done, 300));
      await page.reload();
    }
    assert.fail("the log is never verified");
  }

  // A page as it stands: nothing that axe finds, and pictures of it.
  async function judge(page, language, name) {
    await page.waitForSelector("body.js-enabled");
    assert.equal(await page.getAttribute("html", "lang"), language === "en" ? "en" : "zh-Hans");
    await axe(page);
    await noHorizontalScroll(page);
    await pictures(page, { desk: "auditor", name, language });
  }

  // Somebody else approves it, at the other auditor's desk.
  async function approve(language, script, path) {
    await visit(browser, { language, script }, async (page) => {
      const words = WORDS[language];
      const look = (name) => (script ? judge(page, language, name) : Promise.resolve());
      await logIn(page, language, "zhao", SECOND);
      await page.waitForURL(`${SECOND}/${language}/`);
      await verified(page, language);
      await page.getByRole("link", { name: words.boxes, exact: true }).first().click();
      await page.waitForURL(`${SECOND}/${language}/openings`);
      await look("openings-second");
      await page.locator(`tbody a[href="${path}"]`).click();
      await page.waitForURL(`${SECOND}${path}`);
      await look("opening-second");
      await page.getByRole("button", { name: words.approve }).click();
      await page.waitForURL(`${SECOND}${path}`);
      await page.waitForSelector(`text=${words.approved}`);
      assert.equal(await page.locator("main form").count(), 0);
    });
  }

  // An opening is asked for, and a case is demanded, answered and judged; the forms say what is wrong with them.
  async function openingAndCase(page, language, script, look) {
    const words = WORDS[language];
    await page.goto(`${DESK}/${language}/log?decision=permitted`);
    await page.locator("tbody a").last().click();
    await page.waitForURL(/\/log\/\d+$/);
    const entry = page.url();
    await page.getByRole("link", { name: words.open }).click();
    await page.waitForURL(`${entry}/opening`);
    await look("opening-form");
    await page.getByRole("button", { name: words.ask }).click();
    assert.equal(await page.getByRole("alert").count(), 1);
    await look("opening-form-error");
    await page.locator("#ground").fill(words.ground);
    await page.getByRole("button", { name: words.ask }).click();
    await page.waitForURL(/\/openings\/[0-9A-Z]{26}$/);
    assert.ok((await page.textContent("main")).includes(words.waits));
    await look("opening");
    const opening = page.url();
    await approve(language, script, new URL(opening).pathname);
    await page.goto(opening);
    await look("opening-approved");
    await page.locator("#cases").fill("2026-0417");
    await page.getByRole("button", { name: words.read }).click();
    await page.waitForURL(`${opening}/read`);
    const told = await page.textContent("main");
    assert.ok(told.includes(process.env.TACIT_CODE_PAPER) && told.includes(words.holds));
    await look("opened");
    // What it said is on no page that is opened.
    await page.goto(opening);
    assert.ok(!(await page.textContent("main")).includes(process.env.TACIT_CODE_PAPER));
    await page.getByRole("link", { name: words.boxes, exact: true }).first().click();
    await page.waitForURL(`${DESK}/${language}/openings`);
    assert.ok((await page.textContent("tbody")).includes(words.ground));
    await look("openings");
    await page.goto(entry);
    await page.getByRole("link", { name: words.demand }).click();
    await page.waitForURL(`${entry}/case`);
    await look("case-form");
    await page.locator("#days").fill("31");
    await page.getByRole("button", { name: words.demanded, exact: true }).click();
    assert.equal(await page.getByRole("alert").count(), 1);
    await look("case-form-error");
    await page.locator("#days").fill("3");
    await page.getByRole("button", { name: words.demanded, exact: true }).click();
    await page.waitForURL(`${DESK}/${language}/cases`);
    await look("cases");
    // The agency's node answers by itself, within seconds.
    for (let again = 0; !(await page.textContent("main")).includes(words.proven); again += 1) {
      assert.ok(again < 60, "the demand is never answered");
      await new Promise((done) => setTimeout(done, 500));
      await page.getByRole("button", { name: words.judge }).click();
      await page.waitForSelector("tbody");
    }
    assert.ok((await page.textContent("tbody")).includes("2026-0417"));
    await look("cases-judged");
    // A case that the agency does not have is a finding.
    await page.locator("#cases").fill("T-1");
    await page.getByRole("button", { name: words.judge }).click();
    await page.waitForSelector(".tacit-state--fails");
    await look("cases-finding");
    await page.getByRole("link", { name: words.findings, exact: true }).first().click();
    await page.waitForURL(`${DESK}/${language}/findings`);
    assert.equal(await page.locator("tbody tr").count(), 1);
    await look("findings");
    await page.locator("tbody a").first().click();
    await page.waitForURL(/\/findings\/[0-9A-Z]{26}$/);
    await look("finding");
    await page.locator("form[action*='/findings/'] button").click();
    assert.equal(await page.getByRole("alert").count(), 1);
    await look("finding-error");
  }

  for (const language of LANGUAGES) {
    for (const script of [true, false]) {
      test(`an auditor finds a refused check and takes its proof away: ${language}, ${script ? "with" : "without"} a script`, async () => {
        await visit(browser, { language, script }, async (page) => {
          const words = WORDS[language];
          const look = (name) => (script ? judge(page, language, name) : Promise.resolve());
          await page.goto(`${DESK}/`);
          await page.waitForURL(/\/login\?to=/);
          await look("login");
          await logIn(page, language);
          await page.waitForURL(`${DESK}/${language}/`);
          await verified(page, language);
          await look("overview");
          for (const name of ["consents", "agreements", "chain", "signals"]) {
            await page.getByRole("link", { name: words[name], exact: true }).first().click();
            await page.waitForURL(`${DESK}/${language}/${name}`);
            await look(name);
          }
          await page.getByRole("button", { name: words.count }).click();
          await page.waitForSelector("tbody");
          await look("signals-counted");
          await page.getByRole("link", { name: words.log }).first().click();
          await page.waitForURL(`${DESK}/${language}/log`);
          assert.ok((await page.locator("tbody tr").count()) > 2);
          await look("log");
          await page.locator("#decision").selectOption("refused");
          await page.getByRole("button", { name: words.show }).click();
          await page.waitForURL(/decision=refused/);
          const found = await page.locator("tbody tr").count();
          assert.ok(found > 0);
          assert.equal(await page.locator("tbody tr .govuk-tag").count(), found);
          await look("log-filtered");
          const [table] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: words.csv }).click()]);
          assert.match(await readFile(await table.path(), "utf8"), /^index,kind,id,time,fields\n\d+,refused,/);
          await page.locator("tbody a").first().click();
          await page.waitForURL(/\/log\/\d+$/);
          await look("entry");
          const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: /tlog-proof/ }).click()]);
          assert.match(await readFile(await download.path(), "utf8"), /^c2sp\.org\/tlog-proof@v1\n/);
          await page.getByRole("button", { name: words.follow }).click();
          await page.waitForURL(/\/follow$/);
          assert.ok((await page.locator("tbody tr").count()) > 0);
          await look("follow");
          await openingAndCase(page, language, script, look);
          assert.equal((await page.goto(`${DESK}/${language}/log?until=2020-01-01`)).status(), 200);
          assert.equal(await page.locator(".tacit-empty").count(), 1);
          await look("log-empty");
          assert.equal((await page.goto(`${DESK}/${language}/log?index=x&from=soon`)).status(), 200);
          assert.equal(await page.getByRole("alert").count(), 1);
          await look("log-error");
          await page.getByRole("button", { name: words.logOut }).click();
          await confirmLogout(page);
          await page.waitForURL(new RegExp(`${DESK}/`));
          await page.goto(`${DESK}/${language}/log`);
          await page.waitForURL(/\/login\?to=/);
        });
      });
    }
  }

  test("the keyboard alone goes from login to an entry and sees where it is", async () => {
    await visit(browser, {}, async (page) => {
      await logIn(page, "en");
      await verified(page, "en");
      await page.waitForSelector("body.js-enabled");
      const keyboard = keyboardOnly(page);
      await keyboard.to("Skip to main content");
      await keyboard.to(WORDS.en.log);
      await keyboard.press("Enter");
      await page.waitForURL(`${DESK}/en/log`);
      await page.waitForSelector("body.js-enabled");
      await keyboard.to(/^\d+$/);
      await keyboard.press("Enter");
      await page.waitForURL(/\/log\/\d+$/);
    });
  });

  test("the login does not let in who is no auditor", async () => {
    await visit(browser, {}, async (page) => {
      await logIn(page, "en", "paper");
      await page.waitForSelector("h1");
      assert.equal(await page.textContent("h1"), "You cannot use this page");
      await judge(page, "en", "no-auditor");
    });
  });

  test("the access log weighs no more than a page may", async () => {
    await visit(browser, {}, async (page) => {
      await logIn(page, "en");
      await page.waitForURL(`${DESK}/en/`);
      await notHeavy(page, `${DESK}/en/log`);
    });
  });
});
