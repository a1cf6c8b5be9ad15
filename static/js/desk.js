// The desk: the queue that keeps itself fresh, and the keys. desk_ticket.js adds those of a ticket.
const QUEUE_EVERY = 8000;
const list = document.getElementById("queue-list");
const dialog = document.getElementById("keys");

document.querySelectorAll(".needs-script").forEach((each) => { each.hidden = false; });
document.addEventListener("click", (event) => {
  if (event.target.closest('[data-do="keys"]')) dialog.showModal();
});

// ---- the queue

const rows = () => [...list.querySelectorAll(".queue-row")];

function move(step) {
  const all = rows();
  if (!all.length) return;
  const pane = document.getElementById("queue");
  if (pane && getComputedStyle(pane).display === "none") pane.showPopover();
  let at = all.indexOf(document.activeElement);
  if (at < 0) at = all.findIndex((row) => row.hasAttribute("aria-current"));
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
  all[next].focus();
  all[next].scrollIntoView({ block: "nearest" });
}

async function refresh() {
  if (document.hidden) return;
  const address = new URL(list.dataset.address, location.href);
  address.searchParams.set("fragment", "1");
  try {
    const answer = await fetch(address);
    if (!answer.ok || answer.redirected) return;
    // Our own page, escaped on the server; a parsed document runs no script and loads nothing.
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const focused = document.activeElement?.closest?.(".queue-row")?.getAttribute("href");
    list.replaceChildren(...[...fresh.body.childNodes].map((node) => document.adoptNode(node)));
    for (const row of rows()) {
      if (new URL(row.href).pathname === location.pathname) row.setAttribute("aria-current", "page");
      if (row.getAttribute("href") === focused) row.focus({ preventScroll: true });
    }
  } catch {
    // the list stays as it is until the connection is back
  }
}

setInterval(refresh, QUEUE_EVERY);
document.addEventListener("visibilitychange", refresh);
addEventListener("pageshow", (event) => event.persisted && refresh());

// ---- keys

export const keys = {
  j: () => move(1),
  k: () => move(-1),
  "/": () => {
    const pane = document.getElementById("queue");
    if (pane && getComputedStyle(pane).display === "none") pane.showPopover();
    document.getElementById("q").focus();
  },
  "?": () => dialog.showModal(),
};

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || dialog.open) return;
  const field = event.target.closest?.('textarea, select, [contenteditable], input:not([type="hidden"])');
  if (event.key === "Escape" && field) field.blur();
  else if (!field && Object.hasOwn(keys, event.key)) {
    if (event.key !== "Escape") event.preventDefault();
    keys[event.key]();
  }
});
