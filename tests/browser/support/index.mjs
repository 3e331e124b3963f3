// Everything that a test of a desk uses.
export { SIZES, launch, visit } from "./browser.mjs";
export { axe, noHorizontalScroll, notHeavy, weigh } from "./checks.mjs";
export { LANGUAGES, WAYS, deskAt, running, walker } from "./desk.mjs";
export { keyboardOnly } from "./keyboard.mjs";
export { pictures } from "./pictures.mjs";
export { confirmLogout, deskClient, login, startProvider } from "./provider.mjs";
export { onCommandLine } from "./program.mjs";
export { missingBrowser, settings } from "./settings.mjs";
export { covered } from "./walk.mjs";
export { say } from "./words.mjs";
