// Which pages a walk came to: what every address answered, and which pages were judged. A line of JSON for each, in the
// file that TACIT_WALKED names; without it nothing is kept.
import { appendFileSync } from "node:fs";

import { settings } from "./settings.mjs";

const noted = new Set();

/** Keeps what a page of a desk answered: `{ at, status, type }`, and of one that was judged `language` too. */
export function note(line) {
  const text = JSON.stringify(line);
  if (!settings.walked || noted.has(text)) return;
  noted.add(text);
  appendFileSync(settings.walked, `${text}\n`);
}

const named = (pattern) => pattern.split("{").length;
const regular = (pattern) => new RegExp(`^${pattern.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{[^}]+\}/g, "[^/]+")}$`);

/** The pattern of a table at which an address is; words before wildcards, as the router has it. */
export function patternOf(patterns, path) {
  return patterns.filter((pattern) => regular(pattern).test(path)).sort((one, other) => named(one) - named(other))[0];
}

/**
 * Holds a walk against a desk's table: `missing` are pages that were not judged in a language, `excepted` addresses that
 * are no page, with what they are. `lines` are those of the desk.
 */
export function covered(patterns, lines, languages = ["en", "zh"]) {
  const seen = new Map(patterns.map((pattern) => [pattern, { judged: new Set(), answers: new Set() }]));
  for (const { at, status, type, language, to } of lines) {
    const found = seen.get(patternOf(patterns, new URL(at).pathname));
    if (!found || status >= 400) continue;
    if (language) found.judged.add(language);
    else if (status < 300) found.answers.add(type || "nothing");
    // Who is sent to the login has not been there.
    else if (status !== 304 && !/\/login\?/.test(to ?? "")) found.answers.add("leads on");
  }
  const missing = [];
  const excepted = [];
  for (const [pattern, { judged, answers }] of seen) {
    const without = languages.filter((language) => !judged.has(language));
    if (without.length === 0) continue;
    const kinds = [...answers];
    if (kinds.length > 0 && !kinds.includes("text/html")) excepted.push(`${pattern} is no page: ${kinds.sort().join(", ")}`);
    else missing.push(`${pattern} is not judged in ${without.join(" and ")}${kinds.length > 0 ? "" : "; nobody came there"}`);
  }
  return { missing, excepted };
}
