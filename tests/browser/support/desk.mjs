// A desk as its tests walk through it: the way in and out, and what holds of every page that they come to.
import assert from "node:assert/strict";
import { after, before } from "node:test";

import { answeredBy, launch } from "./browser.mjs";
import { axe, noHorizontalScroll } from "./checks.mjs";
import { pictures } from "./pictures.mjs";
import { confirmLogout, deskClient, login, startProvider } from "./provider.mjs";
import { note } from "./walk.mjs";
import { say } from "./words.mjs";

export const LANGUAGES = ["en", "zh"];

/** In which ways every main journey is made: `{ language, script, name }`. */
export const WAYS = LANGUAGES.flatMap((language) =>
  [true, false].map((script) => ({ language, script, name: `${language}, ${script ? "with" : "without"} a script` })),
);

/** The account whose company only this way is about. */
export const walker = ({ language, script }) => `${language}-${script ? "script" : "plain"}`;

/** A browser, and the identity provider of the desks at these addresses by their names, for the tests of a `describe`. */
export function running(desks) {
  const run = {};
  before(async () => {
    run.browser = await launch();
    run.provider = await startProvider({ clients: Object.entries(desks).map(([name, at]) => deskClient(name, at)) });
  });
  after(async () => {
    await run.browser?.close();
    await run.provider?.stop();
  });
  return run;
}

/** The desk at an address; `name` is the folder of its pictures. */
export function deskAt(name, origin) {
  /** A page as it stands: its language, nothing that axe finds, no scrolling sideways; and pictures of it. */
  async function judge(page, language, picture) {
    await page.waitForSelector("body.js-enabled");
    assert.equal(await page.getAttribute("html", "lang"), language === "en" ? "en" : "zh-Hans");
    await axe(page);
    await noHorizontalScroll(page);
    await pictures(page, { desk: name, name: picture, language });
    const { method, status } = answeredBy(page);
    // What answers a form is no page that can be opened.
    if (method === "GET") note({ at: page.url(), status, language });
  }

  return {
    judge,
    /** Judges pages of one way; axe is a script, so without scripts there is nothing to judge with. */
    look: ({ language, script }) => (page, picture) => (script ? judge(page, language, picture) : Promise.resolve()),
    /** Opens a page: its status. */
    open: async (page, language, path) => (await page.goto(`${origin}/${language}${path}`)).status(),
    /** From the desk's first page to the provider's and back. */
    async logIn(page, language, account) {
      await page.goto(`${origin}/${language}/login`);
      await page.getByRole("button", { name: say(language, "login-go"), exact: true }).click();
      await login(page, account);
      await page.waitForURL(`${origin}/${language}/`);
    },
    /** Logs out at desk and provider; the way back is closed. */
    async logOut(page, language, behind) {
      await page.getByRole("button", { name: say(language, "frame-logout") }).click();
      await confirmLogout(page);
      await page.waitForURL(new RegExp(`^${origin}/`));
      await page.goto(`${origin}/${language}${behind}`);
      await page.waitForURL(/\/login\?to=/);
    },
  };
}
