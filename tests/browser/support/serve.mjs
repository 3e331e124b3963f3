// A small server on loopback for the harness's own tests: pages by path, and the portal's assets.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { once } from "node:events";
import { extname, join } from "node:path";

import { settings } from "./settings.mjs";

const TYPES = { ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };
// As strict as the portal's.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/** Serves what `page(url)` returns, text for a page or nothing; `{ origin, stop }`. A page may loosen the policy. */
export async function serve(page, { policy = POLICY } = {}) {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://server");
    const asset = /^\/assets\/([\w.-]+)$/.exec(url.pathname);
    const body = asset
      ? await readFile(join(settings.root, "crates/portal/assets", asset[1])).catch(() => null)
      : page(url, request);
    response.statusCode = body == null ? 404 : 200;
    response.setHeader("content-type", `${asset ? TYPES[extname(asset[1])] : "text/html"}; charset=utf-8`);
    if (policy) response.setHeader("content-security-policy", policy);
    response.end(body ?? "");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
