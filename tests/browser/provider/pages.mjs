// The provider's own pages: as plain as can be, and nothing on them comes from elsewhere.

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const text = (value) => String(value).replace(/[&<>"']/g, (character) => ENTITIES[character]);

const page = (title, body) => `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title><link rel="icon" href="data:,"></head>
<body><main><h1>${title}</h1>${body}</main></body></html>`;

export const loginPage = (uid, accounts, wrong) =>
  page(
    "Log in to the test provider",
    `${wrong ? '<p role="alert">There is no such account.</p>' : ""}
<form method="post" action="/interaction/${text(uid)}/login">
<p><label for="account">Account</label> <input id="account" name="account" list="accounts" autocomplete="off" required></p>
<datalist id="accounts">${accounts.map(({ account, title }) => `<option value="${text(account)}">${text(title)}</option>`).join("")}</datalist>
<p><button type="submit">Log in</button></p></form>
<p><a href="/interaction/${text(uid)}/abort">Do not log in</a></p>`,
  );

export const consentPage = (uid, client, account) =>
  page(
    "Tell the desk who you are?",
    `<p>${text(client)} will learn the name, the code and the roles of ${text(account)}.</p>
<form method="post" action="/interaction/${text(uid)}/confirm"><p><button type="submit">Tell it</button></p></form>
<p><a href="/interaction/${text(uid)}/abort">Do not tell it</a></p>`,
  );

export const logoutPage = (form) =>
  page(
    "Log out of the test provider?",
    `${form}<p><button type="submit" form="op.logoutForm" name="logout" value="yes">Log out</button></p>`,
  );

export const goodbyePage = () => page("Logged out of the test provider", "");

export const errorPage = ({ error, error_description: why }) =>
  page("The test provider refuses this", `<p><code>${text(error)}</code></p><p>${text(why ?? "")}</p>`);
