// A table whose rows are drawn as cards loses its meaning for assistive technology in most browsers, since the style
// changes `display`. The roles give it back.
const ROLES = {
  thead: "rowgroup",
  tbody: "rowgroup",
  tr: "row",
  td: "cell",
};

export function labelCards(table) {
  table.setAttribute("role", "table");
  for (const [name, role] of Object.entries(ROLES)) {
    for (const element of table.querySelectorAll(name)) element.setAttribute("role", role);
  }
  for (const header of table.querySelectorAll("th")) {
    header.setAttribute("role", header.closest("thead") ? "columnheader" : "rowheader");
  }
}
