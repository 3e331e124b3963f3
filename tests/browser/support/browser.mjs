// A real Chromium, headless, that cannot reach anything but this machine, and tells what it wanted elsewhere.
import { chromium } from "playwright-core";

import { settings } from "./settings.mjs";
import { note } from "./walk.mjs";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Loopback goes direct; all else would go to a proxy that is not there, names and addresses alike.
  "--proxy-server=http://127.0.0.1:9",
];

const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);

export const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 320, height: 640 } };

/** Starts the browser; each call has a new profile, which goes with it. */
export function launch() {
  return chromium.launch({ executablePath: settings.chromium, headless: true, args: ARGUMENTS });
}

/**
 * Runs `work(page)` as a new person at a new browser, and fails when the page wanted anything from elsewhere, threw, or
 * broke its own content security policy.
 */
export async function visit(browser, { size = "desktop", language = "en", script = true } = {}, work) {
  const context = await browser.newContext({
    viewport: SIZES[size],
    locale: language === "en" ? "en-US" : "zh-CN",
    javaScriptEnabled: script,
    reducedMotion: "reduce",
  });
  const faults = watch(context);
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    const result = await work(page);
    if (faults.length > 0) throw new Error(`the page misbehaved:\n  ${faults.join("\n  ")}`);
    return result;
  } finally {
    await context.close();
  }
}

const answers = new WeakMap();

/** What the page that is open was answered with: `{ method, status }`. */
export const answeredBy = (page) => answers.get(page) ?? {};

function watch(context) {
  const faults = [];
  const elsewhere = (what, address) => {
    const url = new URL(address);
    if (url.host && !LOOPBACK.has(url.hostname)) faults.push(`${what} leaves the machine: ${address}`);
  };
  context.on("request", (request) => elsewhere("a request", request.url()));
  context.on("response", (response) => {
    const request = response.request();
    const headers = response.headers();
    const [method, status] = [request.method(), response.status()];
    const leads = status >= 300 && status < 400;
    if (request.isNavigationRequest() && !leads && request.frame().parentFrame() === null) {
      answers.set(request.frame().page(), { method, status });
    }
    const type = (headers["content-type"] ?? "").split(";")[0];
    if (method === "GET") note({ at: response.url(), status, type, ...(leads ? { to: headers.location } : {}) });
  });
  context.on("weberror", (error) => faults.push(`an exception: ${error.error().message}`));
  context.on("console", (message) => {
    const said = message.text();
    if (/content security policy/i.test(said)) faults.push(said);
  });
  context.on("page", (page) => page.on("websocket", (socket) => elsewhere("a socket", socket.url())));
  return faults;
}
