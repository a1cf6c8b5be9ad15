// Quotes in a popover, and articles beside the answer.
import { words } from "./answer.js";

const pop = document.getElementById("quote-pop");
const pane = document.getElementById("pane");
const body = document.getElementById("pane-body");
let shownFor = null;
let openedBy = null;
let opening = null;
let hiding = 0;
let touching = false;

function place(mark) {
  const box = mark.getBoundingClientRect();
  const left = Math.min(Math.max(12, box.left - 24), innerWidth - pop.offsetWidth - 12);
  const below = box.bottom + 8;
  const fits = below + pop.offsetHeight < innerHeight - 8 || box.top < pop.offsetHeight + 16;
  pop.style.left = `${left}px`;
  pop.style.top = `${fits ? below : box.top - pop.offsetHeight - 8}px`;
}

function show(mark) {
  clearTimeout(hiding);
  if (shownFor === mark) return;
  hide();
  shownFor = mark;
  document.getElementById("quote-title").textContent = mark.dataset.title;
  document.getElementById("quote-text").textContent = mark.dataset.quote;
  document.getElementById("quote-open").href = mark.href;
  mark.setAttribute("aria-describedby", "quote-text");
  pop.hidden = false;
  place(mark);
  light(mark, true);
}

function light(mark, on) {
  const source = mark.closest(".turn, .draft")?.querySelector(`.source[data-marker="${CSS.escape(mark.textContent)}"]`);
  source?.classList.toggle("lit", on);
}

export function hide() {
  clearTimeout(hiding);
  pop.hidden = true;
  shownFor?.removeAttribute("aria-describedby");
  if (shownFor) light(shownFor, false);
  shownFor = null;
}

export function close() {
  if (pane.hidden) return false;
  pane.hidden = true;
  openedBy?.classList.remove("open");
  openedBy?.focus();
  openedBy = opening = null;
  return true;
}

async function open(anchor) {
  hide();
  opening = anchor;
  if (!body.contains(anchor)) { // else it leads on within the pane, and whoever opened that gets the focus back
    openedBy?.classList.remove("open");
    openedBy = anchor;
  }
  if (anchor.classList.contains("mark")) anchor.classList.add("open");
  const address = new URL(anchor.href);
  address.searchParams.set("fragment", "1");
  document.getElementById("pane-full").href = anchor.href;
  pane.hidden = false;
  pane.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    // Our own page, escaped on the server; a parsed document runs no script and loads nothing.
    const article = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("article");
    if (opening !== anchor) return;
    body.replaceChildren(document.adoptNode(article));
  } catch {
    const sorry = document.createElement("p");
    sorry.textContent = words.article_failed;
    body.replaceChildren(sorry);
  }
  pane.removeAttribute("aria-busy");
  const quote = body.querySelector("#quote");
  (quote ?? pane).focus({ preventScroll: true });
  if (quote) quote.closest(".sheet-scroll")?.scrollTo({ left: quote.getBoundingClientRect().left - body.getBoundingClientRect().left - 48 });
  if (quote) body.scrollTop += quote.getBoundingClientRect().top - body.getBoundingClientRect().top - body.clientHeight / 4;
  else body.scrollTop = 0;
}

const markOf = (event) => event.target.closest?.(".mark");
const later = () => { hiding = setTimeout(hide, 180); };

addEventListener("pointerdown", (event) => { touching = event.pointerType === "touch"; }, true);
document.addEventListener("pointerover", (event) => {
  if (event.pointerType === "touch") return;
  if (markOf(event)) show(markOf(event));
  else if (event.target.closest?.("#quote-pop")) clearTimeout(hiding);
  else if (shownFor && document.activeElement !== shownFor) { clearTimeout(hiding); later(); }
});
document.addEventListener("focusin", (event) => {
  if (markOf(event) && !touching) show(markOf(event));
  else if (!event.target.closest("#quote-pop") && !markOf(event)) hide();
});
document.addEventListener("click", (event) => {
  const mark = markOf(event);
  const anchor = mark ?? event.target.closest("a.to-article, #quote-open");
  if (!anchor) {
    if (!event.target.closest("#quote-pop")) hide();
    return;
  }
  if (event.metaKey || event.ctrlKey || event.shiftKey) return; // a new tab, as asked
  event.preventDefault();
  // The first tap shows the quote, as hovering does; the second one opens it.
  if (mark && touching && shownFor !== mark) show(mark);
  else open(anchor.id === "quote-open" ? shownFor : anchor);
});
addEventListener("scroll", () => shownFor && place(shownFor), { passive: true });
document.getElementById("pane-close").addEventListener("click", close);
