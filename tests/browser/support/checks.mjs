// What holds of every page: nothing that axe finds, no scrolling sideways, not too heavy.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { SIZES } from "./browser.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"];

/** Fails when axe finds a violation of WCAG 2.2 A or AA, and says where and what. Needs a page with scripts. */
export async function axe(page) {
  await page.evaluate(AXE);
  const violations = await page.evaluate(async (tags) => (await window.axe.run(document, { runOnly: tags })).violations, WCAG);
  if (violations.length === 0) return;
  const told = violations.flatMap(({ id, help, nodes }) => [
    `${id}: ${help}`,
    ...nodes.map(({ target, failureSummary }) => `    ${target.join(" ")}\n      ${failureSummary.replaceAll("\n", "\n      ")}`),
  ]);
  throw new Error(`axe finds on ${page.url()}:\n  ${told.join("\n  ")}`);
}

/** Fails when the page scrolls sideways at the width of a small phone, and names what sticks out. */
export async function noHorizontalScroll(page) {
  const before = page.viewportSize();
  await page.setViewportSize(SIZES.phone);
  try {
    const wide = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      if (scrollWidth <= clientWidth) return null;
      const out = [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > clientWidth + 1);
      const name = (one) => `${one.localName}.${[...one.classList].join(".")} to ${Math.round(one.getBoundingClientRect().right)} px`;
      return { scrollWidth, clientWidth, out: out.slice(0, 5).map(name) };
    });
    if (wide) throw new Error(`${page.url()} is ${wide.scrollWidth} px wide at ${wide.clientWidth} px: ${wide.out.join("; ")}`);
  } finally {
    await page.setViewportSize(before);
  }
}

/** Opens an address for the first time and tells what came, in bytes without compression: `{ total, parts }`. */
export async function weigh(page, address) {
  const session = await page.context().newCDPSession(page);
  const urls = new Map();
  const parts = {};
  session.on("Network.requestWillBeSent", ({ requestId, request }) => urls.set(requestId, request.url));
  session.on("Network.dataReceived", ({ requestId, dataLength }) => {
    const url = urls.get(requestId);
    parts[url] = (parts[url] ?? 0) + dataLength;
  });
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  await page.goto(address, { waitUntil: "networkidle" });
  await session.detach();
  return { total: Object.values(parts).reduce((sum, bytes) => sum + bytes, 0), parts };
}

/** Fails when the first load of an address weighs more than `limit` bytes. */
export async function notHeavy(page, address, limit = 250 * 1024) {
  const { total, parts } = await weigh(page, address);
  if (total > limit) throw new Error(`${address} weighs ${total} bytes, more than ${limit}: ${JSON.stringify(parts)}`);
  return total;
}
