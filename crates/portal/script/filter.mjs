// On a small screen the filters are folded away, unless some are set.
export function foldFilter(details) {
  const small = matchMedia("(max-width: 48em)").matches;
  if (small && !("set" in details.dataset)) details.open = false;
}
