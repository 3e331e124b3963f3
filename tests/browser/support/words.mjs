// The words of the desks, out of the portal's own message files.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { settings } from "./settings.mjs";

const LOCALES = join(settings.root, "crates/portal/locales");
const known = new Map();

function messages(language) {
  if (!known.has(language)) {
    const folder = join(LOCALES, language);
    const lines = readdirSync(folder).flatMap((file) => readFileSync(join(folder, file), "utf8").split("\n"));
    const pairs = lines.map((line) => /^([a-z][\w-]*) = (.+)$/.exec(line)).filter(Boolean);
    known.set(language, new Map(pairs.map(([, key, words]) => [key, words])));
  }
  return known.get(language);
}

/** A message in a language, with its values; fails when there is none, or a value is missing. */
export function say(language, key, values = {}) {
  const words = messages(language).get(key);
  if (words === undefined) throw new Error(`there is no message ${key} in ${language}`);
  const said = words.replace(/\{ \$([a-z]+) \}/g, (whole, name) => values[name] ?? whole);
  if (said.includes("{")) throw new Error(`the message ${key} in ${language} wants more: ${said}`);
  return said;
}
