// A person without a pointer: goes through a page by Tab and presses keys, and sees where they are at every step.

// What a person can tell a focused element by.
const LOOK = ["outlineStyle", "outlineColor", "outlineWidth", "boxShadow", "backgroundColor", "borderColor", "color"];
const STEPS = 150;

/** The keyboard of a page: `to(name)` walks, `press(keys)`, `type(text)`. */
export function keyboardOnly(page) {
  return {
    /** Tabs until what has the focus is called `name` (text or pattern); fails when it never is, or cannot be seen. */
    async to(name) {
      const met = [];
      for (let step = 0; step < STEPS; step += 1) {
        await page.evaluate(remember, LOOK);
        await page.keyboard.press("Tab");
        const here = await page.evaluate(describe);
        if (!here) continue;
        if (!here.seen) throw new Error(`nothing shows that "${here.name}" has the focus`);
        if (name instanceof RegExp ? name.test(here.name) : here.name === name) return here;
        met.push(here.name);
      }
      throw new Error(`the keyboard does not reach "${name}"; it reached ${[...new Set(met)].join(", ")}`);
    },
    press: (keys) => page.keyboard.press(keys),
    type: (text) => page.keyboard.type(text),
  };
}

// In the page, before a step: how everything looks that does not have the focus.
function remember(look) {
  const memory = (window.tacitLooks ??= { of: new WeakMap() });
  // A box's focus may be drawn by its label or on what is around it.
  memory.now = (one) =>
    [one, ...(one.labels ?? []), one.parentElement]
      .flatMap((each) => [getComputedStyle(each), getComputedStyle(each, "::before")])
      .flatMap((style) => look.map((part) => style[part]))
      .join();
  for (const one of document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")) {
    if (one !== document.activeElement) memory.of.set(one, memory.now(one));
  }
}

// In the page, after a step: what has the focus, by the name that it is read by, and whether it looks otherwise now.
async function describe() {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const labels = [...(one.labels ?? [])].map((label) => label.textContent);
  const name = one.getAttribute("aria-label") ?? (labels.length > 0 ? labels.join(" ") : one.textContent || one.value || "");
  const { width, height } = one.getBoundingClientRect();
  const { of, now } = window.tacitLooks;
  return { name: name.replace(/\s+/g, " ").trim(), seen: of.get(one) !== now(one) && width > 0 && height > 0 };
}
