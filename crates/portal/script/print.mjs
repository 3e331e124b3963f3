// A button that prints: hidden in the page, since only a script can do it.
export function offerPrint(button) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
