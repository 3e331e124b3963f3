// Every part of the stylesheet, on every desk, in both languages: what is demanded of the portal's pages is demanded
// here first.
import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { after, before, describe, test } from "node:test";

import { page as patterns } from "../../../crates/portal/style/patterns.mjs";
import { launch, visit } from "../support/browser.mjs";
import { axe, noHorizontalScroll, notHeavy } from "../support/checks.mjs";
import { keyboardOnly } from "../support/keyboard.mjs";
import { pictures } from "../support/pictures.mjs";
import { serve } from "../support/serve.mjs";
import { missingBrowser } from "../support/settings.mjs";

const DESKS = ["subject", "auditor", "officer"];
const LANGUAGES = ["en", "zh"];

describe("the patterns", { skip: missingBrowser() }, () => {
  let browser;
  let server;
  before(async () => {
    browser = await launch();
    server = await serve((url) => {
      const [, desk, language] = url.pathname.split("/");
      return DESKS.includes(desk) && LANGUAGES.includes(language) ? patterns({ desk, language }) : null;
    });
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  const unfold = (page) =>
    page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));

  for (const desk of DESKS) {
    for (const language of LANGUAGES) {
      test(`${desk}, ${language}: axe finds nothing, folded and unfolded, on a desktop and on a phone`, async () => {
        for (const size of ["desktop", "phone"]) {
          await visit(browser, { size, language }, async (page) => {
            await page.goto(`${server.origin}/${desk}/${language}`);
            await page.waitForSelector("body.js-enabled");
            await axe(page);
            await unfold(page);
            await axe(page);
            await noHorizontalScroll(page);
          });
        }
      });
    }
  }

  test("without a script the page fits a phone and every part is there", async () => {
    await visit(browser, { size: "phone", script: false }, async (page) => {
      await page.goto(`${server.origin}/subject/zh`);
      assert.equal(await page.locator(".js-enabled").count(), 0);
      await noHorizontalScroll(page);
      // The menu is open, the filters too, and what only a script can do is not offered.
      assert.ok(await page.getByRole("link", { name: "我的同意" }).isVisible());
      assert.ok(await page.getByLabel("机构", { exact: true }).isVisible());
      assert.equal(await page.getByRole("button", { name: /打印|复制/ }).count(), 0);
    });
  });

  test("the keyboard reaches the parts in their order and sees where it is", async () => {
    await visit(browser, {}, async (page) => {
      await page.goto(`${server.origin}/officer/en`);
      await page.waitForSelector("body.js-enabled");
      const keyboard = keyboardOnly(page);
      for (const name of [
        "Skip to main content",
        "简体中文",
        "Sign out",
        /^Requests waiting/,
        "Read the letter",
        "What a listing means",
        "Filter",
        "Apply",
        /^Remove filter/,
        "Copy the hash of the record",
        "The numbers as a table: Checks per day",
        "Code of the company or person",
        "judgment defaulters",
        "Check",
        "Help",
      ]) {
        await keyboard.to(name);
      }
    });
  });

  test("the first load weighs no more than a page may", async () => {
    await visit(browser, {}, async (page) => {
      const total = await notHeavy(page, `${server.origin}/auditor/en`);
      // Page, stylesheet and script did come.
      assert.ok(total > 100_000, `${total}`);
    });
  });

  test("pictures are taken of both sizes in both languages", async () => {
    for (const language of LANGUAGES) {
      await visit(browser, { language }, async (page) => {
        await page.goto(`${server.origin}/subject/${language}`, { waitUntil: "networkidle" });
        const files = await pictures(page, { desk: "patterns", name: "all", language });
        assert.equal(files.length, 2);
        for (const file of files) assert.ok((await stat(file)).size > 10_000, file);
      });
    }
  });
});
