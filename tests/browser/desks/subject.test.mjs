// The subject desk in a browser, against a running federation and a real identity provider: from login to logout, in
// both languages, with scripts and without, with the keyboard alone.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
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

const DESK = settings.desks.subject;
const LANGUAGES = ["en", "zh"];
const WORDS = {
  en: { askAll: /^Ask all/, logIn: "Log in", go: "Continue", asked: "Who asked about me", acting: "Acting for others", logOut: "Log out", out: "You are logged out" },
  zh: { askAll: /^就我查询/, logIn: "登录", go: "继续", asked: "谁查询过我", acting: "代表他人", logOut: "退出", out: "关于我的记录" },
};

describe("the subject desk", { skip: missingBrowser() || (DESK ? false : "no subject desk runs") }, () => {
  let browser;
  let provider;
  before(async () => {
    browser = await launch();
    provider = await startProvider({ clients: [deskClient("subject", DESK)] });
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

  // Asks about the company on the command line: the exit code and what was said.
  function askOnCommandLine() {
    const question = ["--list", "tax/serious-violations", "--purpose", "vendor-selection", "--case", "CLI-1"];
    const config = ["--config", process.env.TACIT_PROCUREMENT];
    const words = ["check", process.env.TACIT_CODE_PAPER, ...question, ...config, "--json"];
    // What these tests are told by their environment is no configuration of a node.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TACIT_")));
    return new Promise((resolve) => {
      execFile(process.env.TACIT_PROGRAM, words, { env }, (error, out, err) => resolve({ code: error?.code ?? 0, said: out + err }));
    });
  }

  // A page as it stands: nothing that axe finds, and pictures of it.
  async function judge(page, language, name) {
    await page.waitForSelector("body.js-enabled");
    assert.equal(await page.getAttribute("html", "lang"), language === "en" ? "en" : "zh-Hans");
    await axe(page);
    await noHorizontalScroll(page);
    await pictures(page, { desk: "subject", name, language });
  }

  for (const language of LANGUAGES) {
    for (const script of [true, false]) {
      test(`a person sees who asked and why, and logs out: ${language}, ${script ? "with" : "without"} a script`, async () => {
        await visit(browser, { language, script }, async (page) => {
          const words = WORDS[language];
          const look = (name) => (script ? judge(page, language, name) : Promise.resolve());
          await page.goto(`${DESK}/`);
          await page.waitForURL(`${DESK}/${language}/`);
          await look("start");
          await page.getByRole("button", { name: words.logIn, exact: true }).click();
          await look("login");
          await logIn(page, language, "paper");
          await look("home");
          await page.getByRole("link", { name: words.asked }).first().click();
          const rows = page.locator("tbody tr");
          // A question that was answered, one that was refused, a request for consent; and what other tests here did.
          assert.ok((await rows.count()) >= 3);
          assert.equal(await rows.locator(".govuk-tag").count(), 1, "the refused one says so");
          await look("asked");
          await rows.first().getByRole("link").click();
          await page.waitForURL(/\/asked\/[0-9A-Z]{26}$/);
          await look("entry");
          const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: /JSON/ }).click()]);
          const proof = JSON.parse(await readFile(await download.path(), "utf8"));
          assert.match(proof.proof.checkpoint, /\/log\n/);
          assert.equal((await page.goto(`${DESK}/${language}/asked?until=2020-01-01`)).status(), 200);
          assert.equal(await page.locator(".tacit-empty").count(), 1);
          await look("asked-empty");
          assert.equal((await page.goto(`${DESK}/${language}/asked?from=soon`)).status(), 200);
          assert.equal(await page.getByRole("alert").count(), 1);
          await look("asked-error");
          await page.goto(`${DESK}/${language}/lists`);
          await look("lists");
          await page.getByRole("button", { name: words.askAll }).click();
          await page.waitForURL(/\/lists\/check$/);
          assert.equal(await page.locator(".tacit-answer--listed").count(), 1);
          assert.ok((await page.locator(".tacit-answer--not-listed").count()) >= 1);
          await look("answers");
          await page.locator(".tacit-answer--listed").getByRole("link").first().click();
          await look("list");
          await page.goto(`${DESK}/${language}/consents`);
          await look("consents");
          assert.equal((await page.goto(`${DESK}/${language}/nothing`)).status(), 404);
          await look("not-found");
          await page.getByRole("button", { name: words.logOut }).click();
          await confirmLogout(page);
          await page.waitForURL(new RegExp(`${DESK}/`));
          // The way back is closed.
          await page.goto(`${DESK}/${language}/asked`);
          await page.waitForURL(/\/login\?to=/);
        });
      });
    }
  }

  test("a company is seen by who has a mandate, for what it says and no longer", async () => {
    await visit(browser, {}, async (page) => {
      await logIn(page, "en", "agent");
      await page.getByRole("link", { name: WORDS.en.acting }).click();
      await judge(page, "en", "acting");
      await page.getByRole("button", { name: /^Act for/ }).first().click();
      await page.waitForURL(`${DESK}/en/`);
      await judge(page, "en", "home-acting");
      await page.goto(`${DESK}/en/asked`);
      assert.ok((await page.locator("tbody tr").count()) >= 3);
      await page.getByRole("button", { name: "Stop acting" }).click();
      await page.goto(`${DESK}/en/asked`);
      assert.equal(await page.locator("tbody tr").count(), 0);
      await page.goto(`${DESK}/en/acting`);
      await page.getByRole("button", { name: /^Act for/ }).nth(1).click();
      const answer = await page.goto(`${DESK}/en/asked`);
      assert.equal(answer.status(), 403);
      await judge(page, "en", "mandate-scope");
    });
    // Whom it was about reads what was done.
    await visit(browser, {}, async (page) => {
      await logIn(page, "en", "paper");
      await page.getByRole("link", { name: "Who acted for you" }).click();
      await page.waitForURL(`${DESK}/en/acted`);
      assert.ok((await page.locator("tbody tr").count()) >= 5);
      assert.equal(await page.locator(".govuk-tag").count(), 1, "the refused one says so");
      for (const language of LANGUAGES) {
        await page.goto(`${DESK}/${language}/acted`);
        await judge(page, language, "acted");
      }
    });
  });

  test("a request is read, allowed in part, and the consent taken back, with a receipt", async () => {
    await visit(browser, {}, async (page) => {
      await logIn(page, "en", "paper");
      await page.goto(`${DESK}/en/consents`);
      await page.getByRole("link", { name: /^Read the request/ }).click();
      await judge(page, "en", "request");
      assert.equal(await page.locator("input:checked").count(), 0, "nothing is ticked beforehand");
      await page.getByRole("button", { name: "Allow what I ticked" }).click();
      assert.equal(await page.getByRole("alert").count(), 1);
      await judge(page, "en", "request-error");
      for (const name of ["list", "purpose"]) await page.locator(`input[name=${name}]`).first().check();
      await page.getByLabel("30 days").check();
      await page.getByRole("button", { name: "Allow what I ticked" }).click();
      await page.getByRole("heading", { name: "In force" }).waitFor();
      const allowed = await askOnCommandLine();
      assert.equal(allowed.code, 0, allowed.said);
      assert.match(allowed.said, /not_listed/);
      await judge(page, "en", "allowed");
      await page.getByRole("link", { name: "My consents" }).last().click();
      await judge(page, "en", "consents-one");
      await page.locator("tbody").getByRole("link").first().click();
      await judge(page, "en", "consent");
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: /receipt/ }).click()]);
      assert.ok(JSON.parse(await readFile(await download.path(), "utf8"))["schema_version"]);
      await page.getByRole("button", { name: "Withdraw this consent" }).click();
      await page.getByRole("heading", { name: "Withdraw this consent?" }).waitFor();
      await judge(page, "en", "withdraw");
      await page.getByRole("button", { name: "Withdraw this consent" }).click();
      await page.getByRole("heading", { name: "Withdrawn" }).waitFor();
      // The very next check, on the command line.
      const refused = await askOnCommandLine();
      assert.equal(refused.code, 3, refused.said);
      assert.match(refused.said, /consent_required/);
      await judge(page, "en", "withdrawn");
    });
  });

  for (const language of LANGUAGES) {
    test(`a notice is read, and what one may do about it: ${language}`, async () => {
      await visit(browser, { language }, async (page) => {
        await logIn(page, language, "paper");
        await judge(page, language, "home-alerts");
        assert.ok((await page.locator(".govuk-notification-banner__link").count()) >= 1);
        await page.goto(`${DESK}/${language}/matters`);
        await judge(page, language, "matters");
        await page.locator("tbody a").last().click();
        await page.waitForURL(/\/letters\/[0-9A-Z]{26}$/);
        await judge(page, language, "letter");
        await page.locator("a.govuk-button").click();
        await page.waitForURL(/\/objections\/new\?list=/);
        await judge(page, language, "object");
        await page.locator("main form button").click();
        await page.waitForURL(/\/objections\/new$/);
        assert.equal(await page.getByRole("alert").count(), 1);
        await judge(page, language, "object-error");
        await page.goto(`${DESK}/${language}/consents/new`);
        await judge(page, language, "grant");
        await page.locator("section a").first().click();
        await page.waitForURL(/agreement=/);
        assert.equal(await page.locator("input:checked").count(), 0, "nothing is ticked beforehand");
        await judge(page, language, "grant-choose");
        await page.locator("main form button").click();
        assert.equal(await page.getByRole("alert").count(), 1);
        await judge(page, language, "grant-error");
        for (const name of ["list", "purpose", "frequency", "days"]) await page.locator(`input[name=${name}]`).first().check();
        await page.locator("main form button").click();
        await page.waitForURL(/days=/);
        await judge(page, language, "grant-review");
        await page.goto(`${DESK}/${language}/lists/tax/trusted-taxpayers`);
        await judge(page, language, "list-favorable");
      });
    });
  }

  test("an objection is sent and followed, without a script", async () => {
    await visit(browser, { script: false }, async (page) => {
      await logIn(page, "en", "paper");
      await page.goto(`${DESK}/en/objections/new?list=court/judgment-defaulters`);
      await page.getByLabel("What is wrong, and why?").fill("It was paid in May.\nThe bailiff has the receipt.");
      await page.getByRole("button", { name: "Send the objection" }).click();
      await page.getByRole("heading", { name: "Your objection is taken down" }).waitFor();
      await page.getByRole("link", { name: "Follow it here" }).click();
      await page.waitForURL(/\/objections\/[0-9A-Z]{26}$/);
    });
    await visit(browser, {}, async (page) => {
      await logIn(page, "en", "paper");
      await page.goto(`${DESK}/en/matters`);
      await judge(page, "en", "matters-one");
      await page.locator("table").first().getByRole("link").first().click();
      await judge(page, "en", "matter");
    });
  });

  test("a consent of one's own accord is given and confirmed again", async () => {
    await visit(browser, {}, async (page) => {
      await logIn(page, "en", "agent");
      await page.goto(`${DESK}/en/consents/new`);
      await page.locator("section a").first().click();
      for (const name of ["list", "purpose", "frequency", "days"]) await page.locator(`input[name=${name}]`).first().check();
      await page.getByRole("button", { name: "Read it before giving it" }).click();
      await page.getByRole("button", { name: "Give this consent" }).click();
      await page.getByRole("heading", { name: "In force" }).waitFor();
      await page.goto(`${DESK}/en/consents`);
      await page.locator("tbody").getByRole("link").first().click();
      await page.getByRole("button", { name: "Confirm again, for longer" }).click();
      await page.getByRole("heading", { name: "Confirm this consent again?" }).waitFor();
      await judge(page, "en", "renew");
      await page.locator("main form button").click();
      assert.equal(await page.getByRole("alert").count(), 1);
      await judge(page, "en", "renew-error");
      await page.getByLabel("365 days").check();
      await page.locator("main form button").click();
      await page.getByRole("heading", { name: "In force, confirmed again" }).waitFor();
    });
  });

  test("the keyboard alone goes from login to an entry and sees where it is", async () => {
    await visit(browser, {}, async (page) => {
      await logIn(page, "en", "paper");
      await page.waitForSelector("body.js-enabled");
      const keyboard = keyboardOnly(page);
      await keyboard.to("Skip to main content");
      await keyboard.to(WORDS.en.asked);
      await keyboard.press("Enter");
      await page.waitForURL(`${DESK}/en/asked`);
      await page.waitForSelector("body.js-enabled");
      await keyboard.to(/^No\. /);
      await keyboard.press("Enter");
      await page.waitForURL(/\/asked\/[0-9A-Z]{26}$/);
    });
  });

  test("the first page weighs no more than a page may", async () => {
    await visit(browser, {}, (page) => notHeavy(page, `${DESK}/en/`));
  });

  test("a login that nobody began here, or that comes back twice, logs nobody in", async () => {
    await visit(browser, {}, async (page) => {
      const answer = await page.goto(`${DESK}/login/callback?code=abc&state=def`);
      assert.equal(answer.status(), 403);
      await judge(page, "en", "login-failed");
      let callback;
      page.on("request", (request) => {
        if (request.url().includes("/login/callback?code")) callback = request.url();
      });
      await logIn(page, "en", "paper");
      assert.ok(callback);
      assert.equal((await page.goto(callback)).status(), 403);
    });
  });
});
