// The one script of the portal, an external module, so it runs once the page is parsed. Every page works without it;
// it makes some things easier.
import {
  Button,
  CharacterCount,
  Checkboxes,
  ErrorSummary,
  NotificationBanner,
  Radios,
  ServiceNavigation,
  SkipLink,
  createAll,
} from "govuk-frontend";

import { labelCards } from "./cards.mjs";
import { offerCopy } from "./copy.mjs";
import { foldFilter } from "./filter.mjs";
import { poll } from "./poll.mjs";
import { offerPrint } from "./print.mjs";
import { sendOnce } from "./submit.mjs";

// What govuk-frontend looks for; its own way to set this is an inline script, and there are none here.
document.body.classList.add("js-enabled", "govuk-frontend-supported");

for (const component of [
  Button,
  CharacterCount,
  Checkboxes,
  ErrorSummary,
  NotificationBanner,
  Radios,
  ServiceNavigation,
  SkipLink,
]) {
  createAll(component);
}

const modules = {
  "tacit-cards": labelCards,
  "tacit-copy": offerCopy,
  "tacit-filter": foldFilter,
  "tacit-poll": poll,
  "tacit-print": offerPrint,
  "tacit-submit": sendOnce,
};
for (const [name, start] of Object.entries(modules)) {
  for (const element of document.querySelectorAll(`[data-module~="${name}"]`)) {
    start(element);
  }
}
