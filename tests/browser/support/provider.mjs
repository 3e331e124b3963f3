// Starts and stops the test provider, and logs in at it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { settings } from "./settings.mjs";

const SERVER = fileURLToPath(new URL("../provider/server.mjs", import.meta.url));

/** What the provider has to know of a desk at `origin`: a public client, which proves itself by PKCE. */
export function deskClient(name, origin, { callback = "/login/callback", home = "/" } = {}) {
  return {
    client_id: name,
    redirect_uris: [new URL(callback, origin).href],
    post_logout_redirect_uris: [new URL(home, origin).href],
  };
}

/** A provider in a process of its own: `{ issuer, stop }`. */
export async function startProvider({ port = settings.issuerPort, clients, accounts }) {
  const child = spawn(process.execPath, [SERVER], {
    env: {
      ...process.env,
      TACIT_OIDC_PORT: String(port),
      TACIT_OIDC_CLIENTS: JSON.stringify(clients),
      ...(accounts ? { TACIT_OIDC_ACCOUNTS: accounts } : {}),
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let complaints = "";
  child.stderr.on("data", (data) => (complaints += data));
  const ended = once(child, "exit");
  const issuer = await Promise.race([
    once(createInterface(child.stdout), "line").then(([line]) => line),
    ended.then(() => {
      throw new Error(`the provider did not start:\n${complaints}`);
    }),
  ]);
  return {
    issuer,
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

/** Logs in on the provider's pages, to which the desk has sent the browser. Works without a script too. */
export async function login(page, account) {
  await page.waitForURL(/\/interaction\//);
  await page.fill("#account", account);
  await page.click("button[type=submit]");
  // Once told, the provider does not ask again in the same session.
  if (/\/interaction\//.test(page.url())) await page.click("button[type=submit]");
}

/** Confirms on the provider's page that one logs out there too. */
export async function confirmLogout(page) {
  await page.waitForURL(/\/session\/end/);
  await page.click("button[name=logout]");
}
