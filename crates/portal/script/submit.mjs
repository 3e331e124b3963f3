// A form is sent once, however often its button is pressed. The server knows a repetition anyway; this spares the
// person the page that says so.
export function sendOnce(form) {
  let sent = false;
  const mark = (button) => {
    if (sent) button.setAttribute("aria-disabled", "true");
    else button.removeAttribute("aria-disabled");
  };
  const set = (value) => {
    sent = value;
    form.querySelectorAll("button[type=submit], button:not([type])").forEach(mark);
  };
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    else set(true);
  });
  // The browser's way back shows the page as it was left.
  addEventListener("pageshow", (event) => {
    if (event.persisted) set(false);
  });
}
