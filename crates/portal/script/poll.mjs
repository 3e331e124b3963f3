// A part of a page that the server is still working on. It is fetched again until the server sends it without the mark
// of this module; without a script the page has a link that does the same.
//
// <div id="job" data-module="tacit-poll" data-seconds="2"> ... <p data-say>120 of 500 rows</p></div>

import { labelCards } from "./cards.mjs";

// After so many failures in a row it rests; the link in the page is still there.
const FAILURES = 5;
// What is read aloud, at most so often.
const SAY_EVERY_MS = 10_000;

export function poll(part) {
  const id = part.id;
  const every = Math.max(1, Number(part.dataset.seconds) || 2) * 1000;
  const status = document.createElement("div");
  status.className = "govuk-visually-hidden";
  status.setAttribute("role", "status");
  part.after(status);
  let failures = 0;
  let saidAt = 0;

  const again = () => setTimeout(step, every * 2 ** Math.min(failures, 4));

  const step = async () => {
    if (document.hidden) {
      document.addEventListener("visibilitychange", step, { once: true });
      return;
    }
    const fresh = await load(id).catch(() => null);
    if (!fresh) {
      failures += 1;
      if (failures < FAILURES) again();
      return;
    }
    failures = 0;
    const working = (fresh.dataset.module ?? "").split(" ").includes("tacit-poll");
    show(part, fresh);
    const words = part.querySelector("[data-say]")?.textContent.trim();
    if (words && (!working || Date.now() - saidAt >= SAY_EVERY_MS)) {
      status.textContent = words;
      saidAt = Date.now();
    }
    if (working) again();
    else delete part.dataset.module;
  };
  again();
}

// This page anew; null when it is another page now, for example the login.
async function load(id) {
  const answer = await fetch(location.href, { cache: "no-store", redirect: "error" });
  if (!answer.ok) return null;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.getElementById(id);
}

// Puts the new content in the place of the old and keeps the focus where it was.
function show(part, fresh) {
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  part.replaceChildren(...fresh.childNodes);
  part.querySelectorAll("[data-module~=tacit-cards]").forEach(labelCards);
  if (focused) document.getElementById(focused)?.focus();
}
