// Acting for another at the subject desk: within a mandate's scope and term, and no further; at the counter; and what they
// read of it for whom it was done. In both languages, with scripts and without.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";

import { LANGUAGES, WAYS, deskAt, missingBrowser, running, say, settings, visit, walker } from "../support/index.mjs";

const DESK = settings.desks.subject;
const LATER = "2099-01-01T00:00:00Z";

describe("acting for others at the subject desk", { skip: missingBrowser() || (DESK ? false : "no subject desk runs") }, () => {
  const desk = deskAt("subject", DESK);
  const run = running({ subject: DESK });

  // What the provider says from now on about whom an account may act for.
  async function mandate(account, scopes, until) {
    const accounts = JSON.parse(await readFile(settings.accounts, "utf8"));
    const found = accounts.find((known) => known.account === account);
    found.claims.mandates = [{ scheme: "CN-USCC", code: settings.walk.codes.held, name: "Lujiang Ferries", scopes, until }];
    await writeFile(settings.accounts, JSON.stringify(accounts));
  }

  async function begin(page, language) {
    await page.goto(`${DESK}/${language}/acting`);
    await page.locator("main form button").first().click();
    await page.waitForURL(`${DESK}/${language}/`);
  }

  // What the company reads of what this person did for it, newest first: `[what, outcome]`.
  async function readBy(page, language, name) {
    await desk.logIn(page, language, "held");
    await page.getByRole("link", { name: say(language, "acted-title") }).click();
    await page.waitForURL(`${DESK}/${language}/acted`);
    const rows = page.locator("tbody tr").filter({ hasText: name });
    return (await rows.all()).reduce(async (told, row) => {
      const cells = await row.locator("td").allTextContents();
      return [...(await told), [cells[2].trim(), cells[3].replace(/\s+/g, " ").trim()]];
    }, Promise.resolve([]));
  }

  for (const way of WAYS) {
    const { language } = way;
    const words = (key, values) => say(language, key, values);
    const [account, name] = [`guo-${walker(way)}`, `Guo Wei ${walker(way)}`];

    test(`what a mandate does not cover is refused, and the company reads that it was tried: ${way.name}`, async () => {
      await mandate(account, ["read"], LATER);
      await visit(run.browser, way, async (page) => {
        const look = desk.look(way);
        await desk.logIn(page, language, account);
        await page.getByRole("link", { name: words("nav-acting"), exact: true }).click();
        await look(page, "acting");
        await begin(page, language);
        assert.ok((await page.locator(".tacit-banner--acting").textContent()).includes("Lujiang Ferries"));
        await look(page, "home-acting");
        assert.equal(await desk.open(page, language, "/asked"), 200);
        for (const beyond of ["/lists", "/consents/new", "/objections/new"]) {
          assert.equal(await desk.open(page, language, beyond), 403, beyond);
          assert.equal((await page.textContent("h1")).trim(), words("problem-mandate-scope"));
        }
        await look(page, "mandate-scope");
        await page.getByRole("button", { name: words("frame-acting-stop") }).click();
        await page.waitForURL(`${DESK}/${language}/`);
        await desk.logOut(page, language, "/asked");
      });
      await visit(run.browser, way, async (page) => {
        const told = await readBy(page, language, name);
        const refused = `${words("asked-refused")} ${words("acted-why-mandate-scope")}`;
        assert.deepEqual(told, [
          [words("did-stop"), words("acted-done")],
          [words("saw-objections-new"), refused],
          [words("saw-consents-new"), refused],
          [words("saw-lists"), refused],
          [words("saw-asked"), words("acted-done")],
          [words("did-begin"), words("acted-done")],
        ]);
        await desk.look(way)(page, "acted");
        await desk.logOut(page, language, "/acted");
      });
    });

    test(`a mandate that ends while somebody acts ends there, and the company reads that it was tried: ${way.name}`, async () => {
      // So long that a slow machine comes to act within it.
      for (const seconds of [8, 40, 200]) {
        const end = Date.now() + seconds * 1000;
        await mandate(account, ["read"], new Date(end).toISOString());
        const inTime = await visit(run.browser, way, async (page) => {
          await desk.logIn(page, language, account);
          await page.goto(`${DESK}/${language}/acting`);
          const other = await page.context().newPage();
          await other.goto(`${DESK}/${language}/acting`);
          if ((await other.locator("main form button").count()) === 0) return false;
          await begin(page, language);
          const status = await desk.open(page, language, "/asked");
          if (Date.now() > end) return false;
          assert.equal(status, 200);
          await page.waitForTimeout(end - Date.now() + 50);
          assert.equal(await desk.open(page, language, "/asked"), 403);
          assert.equal((await page.textContent("h1")).trim(), words("problem-mandate-over"));
          await desk.look(way)(page, "mandate-over");
          // Nor does a page that was open before begin it again.
          await other.locator("main form button").first().click();
          await other.getByRole("heading", { name: words("problem-mandate-over") }).waitFor();
          await other.goto(`${DESK}/${language}/acting`);
          assert.equal(await other.locator("main form button").count(), 0);
          await desk.look(way)(other, "acting-over");
          return true;
        });
        if (inTime) break;
        assert.ok(seconds < 200, "nobody came to act within 200 seconds");
      }
      await visit(run.browser, way, async (page) => {
        const told = await readBy(page, language, name);
        const refused = `${words("asked-refused")} ${words("acted-why-mandate-over")}`;
        assert.deepEqual(told.slice(0, 4), [
          [words("did-begin"), refused],
          [words("saw-asked"), refused],
          [words("saw-asked"), words("acted-done")],
          [words("did-begin"), words("acted-done")],
        ]);
        await desk.look(way)(page, "acted-over");
      });
    });
  }

  for (const language of LANGUAGES) {
    test(`a clerk helps who stands at the counter, and says why: ${language}`, async () => {
      await visit(run.browser, { language }, async (page) => {
        await desk.logIn(page, language, "wu");
        await page.goto(`${DESK}/${language}/acting`);
        await desk.judge(page, language, "counter");
        await page.locator("main form button").click();
        await page.waitForSelector("[role=alert]");
        await desk.judge(page, language, "counter-error");
        await page.locator("#scheme").selectOption("CN-USCC");
        await page.locator("#code").fill(settings.walk.codes.held);
        await page.locator("#name").fill("Lujiang Ferries");
        await page.locator("#why").fill("cannot read the screen");
        await page.locator("main form button").click();
        await page.waitForURL(`${DESK}/${language}/`);
        assert.equal(await desk.open(page, language, "/asked"), 200);
        await desk.judge(page, language, "asked-counter");
      });
      await visit(run.browser, { language }, async (page) => {
        const told = await readBy(page, language, "Wu Fang");
        assert.equal(told[0][0], say(language, "saw-asked"));
        assert.ok((await page.textContent("tbody")).includes(say(language, "acted-counter", { why: "cannot read the screen" })));
      });
    });
  }

  test("a company is seen by who has a mandate, for what it says and no longer", async () => {
    await visit(run.browser, {}, async (page) => {
      await desk.logIn(page, "en", "agent");
      await begin(page, "en");
      await page.goto(`${DESK}/en/asked`);
      assert.ok((await page.locator("tbody tr").count()) >= 3);
      await page.getByRole("button", { name: "Stop acting" }).click();
      await page.goto(`${DESK}/en/asked`);
      assert.equal(await page.locator("tbody tr").count(), 0);
      await page.goto(`${DESK}/en/acting`);
      assert.equal(await page.locator("main form button").count(), 2, "the one that ended cannot be begun");
      await page.getByRole("button", { name: /^Act for/ }).nth(1).click();
      assert.equal(await desk.open(page, "en", "/asked"), 403);
    });
  });
});
