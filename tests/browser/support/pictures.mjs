// Pictures of the pages for people to look at, in a folder that git ignores.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { SIZES } from "./browser.mjs";
import { settings } from "./settings.mjs";

/** Takes the whole page as it is now, on a desktop and on a phone: DESK/NAME.LANGUAGE.SIZE.png. Returns the files. */
export async function pictures(page, { desk, name, language }) {
  const folder = join(settings.pictures, desk);
  await mkdir(folder, { recursive: true });
  const before = page.viewportSize();
  const files = [];
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    const path = join(folder, `${name}.${language}.${size}.png`);
    await page.screenshot({ path, fullPage: true });
    files.push(path);
  }
  await page.setViewportSize(before);
  return files;
}
