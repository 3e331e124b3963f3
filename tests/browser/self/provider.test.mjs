// The test provider is a real one: a whole login by authorization code and PKCE, made by hand, and what it refuses.
import assert from "node:assert/strict";
import { createHash, createPublicKey, randomBytes, verify } from "node:crypto";
import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { launch, visit } from "../support/browser.mjs";
import { axe } from "../support/checks.mjs";
import { confirmLogout, deskClient, login, startProvider } from "../support/provider.mjs";
import { serve } from "../support/serve.mjs";
import { missingBrowser } from "../support/settings.mjs";

const random = () => randomBytes(32).toString("base64url");

describe("the identity provider", { skip: missingBrowser() }, () => {
  let browser;
  let desk;
  let client;
  let provider;
  let metadata;
  before(async () => {
    browser = await launch();
    desk = await serve((url) => `<!DOCTYPE html><html lang="en"><title>Desk</title><h1>Desk</h1><p>${url.pathname}</p></html>`, { policy: "" });
    client = deskClient("subject-desk", desk.origin);
    provider = await startProvider({ port: 0, clients: [client] });
    metadata = await (await fetch(`${provider.issuer}/.well-known/openid-configuration`)).json();
  });
  after(async () => {
    await browser?.close();
    await desk?.stop();
    await provider?.stop();
  });

  // What a desk sends a person off with, and what it keeps.
  function begin(change = {}) {
    const kept = { state: random(), nonce: random(), verifier: random() };
    const url = new URL(metadata.authorization_endpoint);
    const query = {
      client_id: client.client_id,
      response_type: "code",
      scope: "openid profile",
      redirect_uri: client.redirect_uris[0],
      state: kept.state,
      nonce: kept.nonce,
      code_challenge_method: "S256",
      code_challenge: createHash("sha256").update(kept.verifier).digest("base64url"),
      ...change,
    };
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
    return { url: url.href, ...kept };
  }

  async function exchange(code, verifier) {
    const answer = await fetch(metadata.token_endpoint, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "authorization_code",
        client_id: client.client_id,
        redirect_uri: client.redirect_uris[0],
        code,
        code_verifier: verifier,
      }),
    });
    return { status: answer.status, ...(await answer.json()) };
  }

  // The claims of an ID token, after its signature was verified with the provider's published key.
  async function claims(token) {
    const [head, body, signature] = token.split(".");
    const read = (part) => JSON.parse(Buffer.from(part, "base64url"));
    const { keys } = await (await fetch(metadata.jwks_uri)).json();
    const { alg, kid } = read(head);
    assert.equal(alg, "RS256");
    const key = createPublicKey({ key: keys.find((known) => known.kid === kid), format: "jwk" });
    assert.ok(verify("RSA-SHA256", Buffer.from(`${head}.${body}`), key, Buffer.from(signature, "base64url")));
    return read(body);
  }

  async function come(page, started, account) {
    await page.goto(started.url);
    await login(page, account);
    await page.waitForURL(`${desk.origin}/**`);
    return new URL(page.url()).searchParams;
  }

  test("names itself exactly, and offers code with PKCE S256 alone", () => {
    assert.equal(metadata.issuer, provider.issuer);
    assert.deepEqual(metadata.response_types_supported, ["code"]);
    assert.deepEqual(metadata.code_challenge_methods_supported, ["S256"]);
  });

  for (const script of [true, false]) {
    test(`a whole login, ${script ? "with" : "without"} a script: code, ID token, claims, logout`, async () => {
      await visit(browser, { script }, async (page) => {
        const started = begin();
        const back = await come(page, started, "guo");
        assert.equal(back.get("state"), started.state);
        assert.equal(back.get("iss"), provider.issuer);
        const tokens = await exchange(back.get("code"), started.verifier);
        const who = await claims(tokens.id_token);
        assert.equal(who.iss, provider.issuer);
        assert.equal(who.aud, client.client_id);
        assert.equal(who.nonce, started.nonce);
        assert.deepEqual([who.sub, who.name, who.subject_scheme], ["guo", "Guo Wei", "CN-RID"]);
        assert.deepEqual(who.mandates.map(({ scopes }) => scopes.length), [4, 2, 1, 2]);

        // Who is logged in there is not asked again.
        await page.goto(begin().url);
        await page.waitForURL(`${desk.origin}/**`);

        const end = new URL(metadata.end_session_endpoint);
        end.searchParams.set("id_token_hint", tokens.id_token);
        end.searchParams.set("post_logout_redirect_uri", client.post_logout_redirect_uris[0]);
        await page.goto(end.href);
        await confirmLogout(page);
        await page.waitForURL(client.post_logout_redirect_uris[0]);
        await page.goto(begin().url);
        await page.waitForURL(/\/interaction\//);
      });
    });
  }

  test("roles come as a list, and a stranger has neither code nor role", async () => {
    for (const [account, roles] of [["sun", ["officer", "decides"]], ["zhao", ["auditor"]], ["stranger", undefined]]) {
      await visit(browser, {}, async (page) => {
        const started = begin();
        const back = await come(page, started, account);
        const who = await claims((await exchange(back.get("code"), started.verifier)).id_token);
        assert.deepEqual(who.roles, roles);
        assert.equal(who.subject_code, undefined);
      });
    }
  });

  test("its own pages have no fault either", async () => {
    await visit(browser, { size: "phone" }, async (page) => {
      await page.goto(begin().url);
      await axe(page);
      await page.fill("#account", "nobody");
      await page.click("button");
      await page.getByRole("alert").waitFor();
      await login(page, "lin");
    });
  });

  test("without PKCE, or by a method that is none, nobody gets a code", async () => {
    for (const change of [{ code_challenge: undefined, code_challenge_method: undefined }, { code_challenge_method: "plain" }]) {
      await visit(browser, {}, async (page) => {
        await page.goto(begin(change).url);
        const said = new URL(page.url());
        assert.equal(said.origin, desk.origin);
        assert.equal(said.searchParams.get("error"), "invalid_request");
        assert.equal(said.searchParams.get("code"), null);
      });
    }
  });

  test("an address that was not given is not redirected to", async () => {
    const answer = await fetch(begin({ redirect_uri: `${desk.origin}/elsewhere` }).url, { redirect: "manual" });
    assert.equal(answer.status, 400);
    assert.match(await answer.text(), /invalid_redirect_uri/);
  });

  test("a code is for its verifier, and for one time", async () => {
    await visit(browser, {}, async (page) => {
      const started = begin();
      const code = (await come(page, started, "lin")).get("code");
      assert.equal((await exchange(code, random())).error, "invalid_grant");
      assert.equal((await exchange(code, started.verifier)).status, 200);
      assert.equal((await exchange(code, started.verifier)).error, "invalid_grant");
    });
  });

  test("who does not want to log in comes back with that", async () => {
    await visit(browser, {}, async (page) => {
      const started = begin();
      await page.goto(started.url);
      await page.click("text=Do not log in");
      await page.waitForURL(`${desk.origin}/**`);
      const said = new URL(page.url()).searchParams;
      assert.deepEqual([said.get("error"), said.get("state")], ["access_denied", started.state]);
    });
  });

  test("takes the accounts of a file, and ends with who started it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tacit-accounts-"));
    try {
      const file = join(folder, "accounts.json");
      await writeFile(file, JSON.stringify([{ account: "only", title: "The only one", claims: { name: "Only" } }]));
      const other = await startProvider({ port: 0, clients: [client], accounts: file });
      try {
        const url = begin().url.replace(provider.issuer, other.issuer);
        await visit(browser, {}, async (page) => {
          await page.goto(url);
          assert.equal(await page.locator("datalist option").count(), 1);
          await login(page, "only");
          await page.waitForURL(`${desk.origin}/**`);
        });
      } finally {
        await other.stop();
      }
      await assert.rejects(fetch(`${other.issuer}/jwks`));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
