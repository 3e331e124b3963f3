// The checks can fail: each is shown a page with the fault that it is there for.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch, visit } from "../support/browser.mjs";
import { axe, noHorizontalScroll, notHeavy } from "../support/checks.mjs";
import { keyboardOnly } from "../support/keyboard.mjs";
import { serve } from "../support/serve.mjs";
import { missingBrowser } from "../support/settings.mjs";

const html = (body) => `<!DOCTYPE html><html lang="en"><head><title>Fault</title></head><body><main><h1>Fault</h1>${body}</main></body></html>`;

const PAGES = {
  "/sound": html('<p>Nothing wrong.</p><a href="/sound">Again</a>'),
  "/unnamed": html('<p><input type="text"></p>'),
  "/pale": html('<p style="color: #aaa; background: #fff">Pale</p>'),
  "/wide": html('<div class="bar" style="width: 500px">Wide</div>'),
  "/outside": html('<img alt="" src="http://192.0.2.1/a.png"><script src="https://tacit.example/a.js"></script>'),
  "/broken": html("<script>throw new Error('planted')</script>"),
  "/unseen": html('<style>a:focus { outline: none }</style><a href="/sound">Hidden focus</a>'),
  "/unreached": html('<a href="/sound">First</a><a href="/sound" tabindex="-1">Left out</a>'),
  "/heavy": html(`<p>${"x".repeat(300_000)}</p>`),
};

describe("a planted fault", { skip: missingBrowser() }, () => {
  let browser;
  let server;
  let strict;
  before(async () => {
    browser = await launch();
    server = await serve((url) => PAGES[url.pathname], { policy: "" });
    strict = await serve((url) => PAGES[url.pathname]);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    await strict?.stop();
  });

  const at = (path, work = () => {}) =>
    visit(browser, {}, async (page) => {
      await page.goto(server.origin + path, { waitUntil: "networkidle" });
      return work(page);
    });

  test("a sound page passes all of them", async () => {
    await at("/sound", async (page) => {
      await axe(page);
      await noHorizontalScroll(page);
      await keyboardOnly(page).to("Again");
      await notHeavy(page, `${server.origin}/sound`);
    });
  });

  test("axe finds a field without a name and text that is too pale, and says where", async () => {
    await assert.rejects(at("/unnamed", axe), /label: [\s\S]*input/);
    await assert.rejects(at("/pale", axe), /color-contrast: [\s\S]*p/);
  });

  test("what is wider than a phone is found and named", async () => {
    await assert.rejects(at("/wide", noHorizontalScroll), /at 320 px: div\.bar/);
  });

  test("a request that leaves the machine fails the test, by name and by address", async () => {
    await assert.rejects(at("/outside"), (error) => {
      assert.match(error.message, /leaves the machine: http:\/\/192\.0\.2\.1\/a\.png/);
      assert.match(error.message, /leaves the machine: https:\/\/tacit\.example\/a\.js/);
      return true;
    });
  });

  test("the browser cannot reach anything but this machine", async () => {
    await assert.rejects(
      visit(browser, {}, (page) => page.goto("http://192.0.2.1/")),
      /ERR_PROXY_CONNECTION_FAILED/,
    );
  });

  test("an exception in a page, and a breach of its policy, fail the test", async () => {
    await assert.rejects(at("/broken"), /an exception: planted/);
    const inline = visit(browser, {}, (page) => page.goto(`${strict.origin}/broken`, { waitUntil: "networkidle" }));
    await assert.rejects(inline, /Content Security Policy/i);
  });

  test("the keyboard tells a focus that cannot be seen and a link that cannot be reached", async () => {
    await assert.rejects(at("/unseen", (page) => keyboardOnly(page).to("Hidden focus")), /nothing shows that "Hidden focus"/);
    await assert.rejects(at("/unreached", (page) => keyboardOnly(page).to("Left out")), /does not reach "Left out"; it reached First/);
  });

  test("a heavy page is weighed without its compression", async () => {
    await assert.rejects(
      visit(browser, {}, (page) => notHeavy(page, `${server.origin}/heavy`)),
      /weighs 30\d{4} bytes/,
    );
  });
});
