// What the portal's script adds to its pages, each part tried in the browser with the script as it is shipped.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch, visit } from "../support/browser.mjs";
import { serve } from "../support/serve.mjs";
import { missingBrowser } from "../support/settings.mjs";

const html = (body) => `<!DOCTYPE html><html lang="en"><head><title>Script</title><link rel="icon" href="/assets/favicon.svg">
<link rel="stylesheet" href="/assets/tacit.css"><script type="module" src="/assets/tacit.js"></script></head>
<body class="govuk-template__body"><main>${body}</main></body></html>`;

const PAGES = {
  "/copy": html('<div class="tacit-proof" data-module="tacit-copy" data-copy="Copy" data-copied="Copied" data-copy-label="Copy the hash"><code>9c1f</code></div>'),
  "/filter": html('<details class="tacit-filter" data-module="tacit-filter" open><summary>Filter</summary><p>Fields</p></details>'),
  "/filter-set": html('<details class="tacit-filter" data-module="tacit-filter" data-set open><summary>Filter</summary><p>Fields</p></details>'),
  "/cards": html('<table class="govuk-table tacit-table--cards" data-module="tacit-cards"><caption>Entries</caption><thead class="govuk-table__head"><tr class="govuk-table__row"><th class="govuk-table__header" scope="col">When</th></tr></thead><tbody class="govuk-table__body"><tr class="govuk-table__row"><td class="govuk-table__cell" data-label="When">Now, <strong>today</strong></td></tr></tbody></table>'),
  "/form": html('<form method="post" action="/sent" data-module="tacit-submit"><button type="submit">Send</button></form>'),
  "/sent": html("<p>Sent</p>"),
};

describe("the script", { skip: missingBrowser() }, () => {
  let browser;
  let server;
  // What the server was asked for, and how far its work is.
  const asked = [];
  let work;
  before(async () => {
    browser = await launch();
    server = await serve((url, request) => {
      asked.push(`${request.method} ${url.pathname}`);
      return url.pathname === "/job" ? work() : PAGES[url.pathname];
    });
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  const at = (path, work, options = {}) =>
    visit(browser, options, async (page) => {
      await page.goto(server.origin + path);
      await page.waitForSelector("body.js-enabled");
      return work(page);
    });
  const times = (what) => asked.filter((one) => one === what).length;

  test("a proof is copied, and it is said so", async () => {
    await at("/copy", async (page) => {
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await page.getByRole("button", { name: "Copy the hash" }).click();
      await page.getByRole("status").filter({ hasText: "Copied" }).waitFor({ state: "attached" });
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "9c1f");
    });
  });

  test("filters fold away on a phone unless one is set, and never on a desktop", async () => {
    for (const [path, size, open] of [["/filter", "phone", false], ["/filter-set", "phone", true], ["/filter", "desktop", true]]) {
      await at(path, async (page) => assert.equal(await page.getByText("Fields").isVisible(), open, `${path} ${size}`), { size });
    }
  });

  test("a table drawn as cards is still a table to who hears it", async () => {
    await at(
      "/cards",
      async (page) => {
        assert.equal(await page.locator("tbody tr").evaluate((row) => getComputedStyle(row).display), "block");
        const table = page.getByRole("table", { name: "Entries" });
        assert.equal(await table.getByRole("cell").count(), 1);
        assert.equal(await table.getByRole("columnheader", { name: "When" }).count(), 1);
        assert.equal(await page.locator("td").evaluate((cell) => getComputedStyle(cell, "::before").content), '"When"');
        // What the field holds flows in one line beside the label.
        const left = (one) => one.evaluate((element) => [element.getBoundingClientRect().left, element.getBoundingClientRect().height]);
        const [cell, height] = await left(page.locator("td"));
        const [strong] = await left(page.locator("strong"));
        assert.ok(strong > cell + 100 && height < 60, `${cell} ${strong} ${height}`);
      },
      { size: "phone" },
    );
  });

  test("a form is sent once, however often its button is pressed", async () => {
    await at("/form", async (page) => {
      await page.evaluate(() => {
        const button = document.querySelector("button");
        button.click();
        button.click();
        button.click();
      });
      await page.getByText("Sent").waitFor();
      assert.equal(times("POST /sent"), 1);
    });
  });

  test("work is followed until it is done, keeps the focus, and survives an answer that fails", async () => {
    let step = 0;
    const part = (words, module) =>
      html(`<div id="job" ${module} data-seconds="1"><p data-say>${words}</p><a id="again" href="/job">Load again</a></div>`);
    work = () => {
      step += 1;
      if (step === 2) return null;
      return step < 4 ? part(`${step} of 4`, 'data-module="tacit-poll"') : part("Done", "");
    };
    await at("/job", async (page) => {
      await page.focus("#again");
      await page.getByText("Done").first().waitFor();
      assert.equal(await page.evaluate(() => document.activeElement.id), "again");
      assert.equal(await page.getByRole("status").textContent(), "Done");
      const before = times("GET /job");
      assert.equal(before, 4);
      await page.waitForTimeout(2500);
      assert.equal(times("GET /job"), before);
    });
  });

  test("work whose page is another page now is left alone", async () => {
    let step = 0;
    work = () => {
      step += 1;
      return step === 1 ? html('<div id="job" data-module="tacit-poll" data-seconds="1"><p data-say>1 of 4</p></div>') : html("<p>Log in</p>");
    };
    await at("/job", async (page) => {
      await page.waitForTimeout(2500);
      assert.ok(step >= 2);
      assert.ok(await page.getByText("1 of 4").first().isVisible());
      assert.equal(await page.getByText("Log in").count(), 0);
    });
  });
});
