// What the tests are told by their environment. Nothing here has to be set for the harness's own tests.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const set = (name) => process.env[name] || undefined;

export const settings = {
  root,
  // The browser, as Debian's package has it.
  chromium: set("TACIT_CHROMIUM") ?? "/usr/bin/chromium",
  // The desks of a running portal; a desk without an address is not tested.
  desks: {
    subject: set("TACIT_DESK_SUBJECT"),
    auditor: set("TACIT_DESK_AUDITOR"),
    // Of the auditor who approves what the other one asks for.
    secondAuditor: set("TACIT_DESK_SECOND_AUDITOR"),
    officer: set("TACIT_DESK_OFFICER"),
    // Officer desks of who keeps a list, and of who reviews what that one decides.
    holder: set("TACIT_DESK_HOLDER"),
    review: set("TACIT_DESK_REVIEW"),
  },
  // Codes by account, and the tables of the desks' pages.
  walk: set("TACIT_WALK") ? JSON.parse(readFileSync(set("TACIT_WALK"), "utf8")) : { codes: {}, pages: {} },
  // Where it is written down which pages were walked through.
  walked: set("TACIT_WALKED"),
  // The program, and the configuration of a node that asks.
  program: set("TACIT_PROGRAM"),
  procurement: set("TACIT_PROCUREMENT"),
  // The accounts of the provider, where they are not its own.
  accounts: set("TACIT_OIDC_ACCOUNTS"),
  // Where the identity provider is to be that those desks use.
  issuerPort: Number(set("TACIT_OIDC_PORT") ?? 0),
  // Where pictures go; git ignores it.
  pictures: set("TACIT_PICTURES") ?? join(root, "target/pictures"),
};

/** Why the browser cannot be driven here, or nothing. */
export function missingBrowser() {
  return existsSync(settings.chromium) ? undefined : `there is no browser at ${settings.chromium}`;
}
