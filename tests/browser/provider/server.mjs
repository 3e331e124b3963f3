// A real OpenID provider (the npm package oidc-provider) for the browser tests, a process of its own on loopback.
//
//   TACIT_OIDC_PORT      where it listens; 0 or nothing: any free port
//   TACIT_OIDC_CLIENTS   JSON: [{ "client_id", "redirect_uris", "post_logout_redirect_uris", "client_secret"? }]
//   TACIT_OIDC_ACCOUNTS  file with the accounts, read anew at each login; without it those of accounts.mjs
//
// Its first line on standard output is its issuer. It keeps everything in memory and ends with its standard input, so
// that it never outlives who started it.
import { createServer } from "node:http";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import Provider, { errors } from "oidc-provider";

import { accounts as readAccounts } from "./accounts.mjs";
import { consentPage, errorPage, goodbyePage, loginPage, logoutPage } from "./pages.mjs";

const HOST = "127.0.0.1";
const clients = JSON.parse(process.env.TACIT_OIDC_CLIENTS ?? "[]").map((client) => ({
  grant_types: ["authorization_code"],
  response_types: ["code"],
  token_endpoint_auth_method: client.client_secret ? "client_secret_basic" : "none",
  ...client,
}));

function key() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: randomBytes(8).toString("hex") };
}

const configuration = {
  clients,
  jwks: { keys: [key()] },
  cookies: { keys: [randomBytes(32).toString("hex")] },
  // What `profile` brings stands in the ID token itself, as agencies' providers do it.
  claims: { openid: ["sub"], profile: ["name", "subject_scheme", "subject_code", "mandates", "roles"] },
  conformIdTokenClaims: false,
  responseTypes: ["code"],
  pkce: { required: () => true },
  findAccount(_, id) {
    const found = readAccounts().find(({ account }) => account === id);
    return found && { accountId: id, claims: () => ({ sub: id, ...found.claims }) };
  },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    rpInitiatedLogout: {
      logoutSource: (ctx, form) => void (ctx.body = logoutPage(form)),
      postLogoutSuccessSource: (ctx) => void (ctx.body = goodbyePage()),
    },
  },
  renderError(ctx, out) {
    ctx.type = "html";
    ctx.body = errorPage(out);
  },
  // Sessions of tests are short; a code is for one use at once.
  ttl: { AccessToken: 300, AuthorizationCode: 60, Grant: 3600, IdToken: 600, Interaction: 600, Session: 3600 },
};

async function body(request) {
  let sent = "";
  for await (const chunk of request) {
    sent += chunk;
    if (sent.length > 10_000) throw new Error("too long a form");
  }
  return new URLSearchParams(sent);
}

// The pages between the desk and the provider: who are you, and shall the desk learn it.
async function interact(provider, request, response) {
  const [, , uid, step] = new URL(request.url, "http://provider").pathname.split("/");
  const accounts = readAccounts();
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  const finish = (result) =>
    provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  const show = (page) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
    response.end(page);
  };
  if (step === "abort") {
    return finish({ error: "access_denied", error_description: "The person did not want to" });
  }
  if (step === "login" && request.method === "POST" && prompt.name === "login") {
    const account = (await body(request)).get("account") ?? "";
    if (accounts.some((known) => known.account === account)) return finish({ login: { accountId: account } });
    return show(loginPage(uid, accounts, true));
  }
  if (step === "confirm" && request.method === "POST" && prompt.name === "consent") {
    const grant = grantId
      ? await provider.Grant.find(grantId)
      : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    return finish({ consent: { grantId: await grant.save() } });
  }
  if (prompt.name === "login") return show(loginPage(uid, accounts, false));
  return show(consentPage(uid, params.client_id, session.accountId));
}

const server = createServer();
server.listen(Number(process.env.TACIT_OIDC_PORT ?? 0), HOST, () => {
  const issuer = `http://${HOST}:${server.address().port}`;
  const provider = new Provider(issuer, configuration);
  const answer = provider.callback();
  server.on("request", async (request, response) => {
    if (!request.url.startsWith("/interaction/")) return answer(request, response);
    try {
      await interact(provider, request, response);
    } catch (error) {
      const gone = error instanceof errors.SessionNotFound;
      response.writeHead(gone ? 400 : 500, { "content-type": "text/html; charset=utf-8" });
      response.end(errorPage({ error: gone ? "session_not_found" : "server_error", error_description: error.message }));
    }
  });
  console.log(issuer);
});

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
