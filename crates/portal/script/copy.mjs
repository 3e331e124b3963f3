// A button beside a proof that copies its text. The words come from the page: data-copy, data-copied.
export function offerCopy(proof) {
  const text = proof.querySelector("code, pre");
  // The clipboard is there in secure contexts only; without it there is nothing to offer.
  if (!text || !navigator.clipboard) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "tacit-proof__copy";
  button.textContent = proof.dataset.copy;
  // What is copied, for who does not see the two side by side.
  if (proof.dataset.copyLabel) button.setAttribute("aria-label", proof.dataset.copyLabel);
  const said = document.createElement("span");
  said.className = "govuk-visually-hidden";
  said.setAttribute("role", "status");
  proof.append(button, said);
  let timer;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      // Not allowed here: select the text, so that the keyboard can copy it.
      getSelection().selectAllChildren(text);
      return;
    }
    clearTimeout(timer);
    button.textContent = proof.dataset.copied;
    said.textContent = proof.dataset.copied;
    timer = setTimeout(() => {
      button.textContent = proof.dataset.copy;
      said.textContent = "";
    }, 3000);
  });
}
