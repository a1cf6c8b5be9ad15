// The reply box: the draft in it, what is typed kept on the server, doubtful sentences marked in
// place, the sources of the sentence at the caret lit, and the seconds in which sending is undone.
import { say, words } from "./answer.js";

const KEEP_AFTER = 500;
const MARKERS = /(?:[ \t]*\[\d{1,3}\])+/g;
export const form = document.getElementById("reply"); // null when the ticket is closed
export const box = document.getElementById("text");
const mirror = document.getElementById("mirror");
const kept = document.getElementById("kept");
const place = document.getElementById("draft-place");

export const section = () => place.querySelector(".draft");
const newer = () => document.getElementById("newer")?.content.querySelector(".draft");
let baseText = section().dataset.draft === form?.elements.draft.value ? section().dataset.text : "";

// Nothing of the agent's own is in the box.
export const pristine = () => !box.value.trim() || box.value === baseText;

// ---- keeping what is typed

// What is newer than the server's copy stands in the tab's own storage: a reload overtakes a beacon.
const STORED = `citedesk-unsent:${location.pathname}`;
let saved = box?.value ?? "";
let onServer = Boolean(kept?.textContent.trim()); // a half-written reply is kept there
let waiting = 0;
let saving = null;
let leaving = false;

export function contents() {
  const data = new FormData();
  data.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  data.set("text", box.value);
  data.set("draft", form.elements.draft.value);
  return data;
}

export async function keep({ always = false } = {}) {
  clearTimeout(waiting);
  if (saving) await saving;
  if ((box.value === saved && !always) || leaving) return;
  const text = box.value;
  saving = fetch(form.dataset.unsent, { method: "POST", body: contents() })
    .then((answer) => {
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      saved = text;
      onServer = true;
      if (box.value === text) forget();
      kept.textContent = words.kept;
    })
    .catch(() => { kept.textContent = words.not_kept; })
    .finally(() => { saving = null; });
  await saving;
}

function remember() {
  try {
    sessionStorage.setItem(STORED, JSON.stringify({ text: box.value, draft: form.elements.draft.value }));
  } catch {
    // storage is forbidden or full: the server's copy is half a second old at most
  }
}

function forget() {
  try {
    sessionStorage.removeItem(STORED);
  } catch {
    // there is nothing to forget
  }
}

function restore() {
  try {
    const own = JSON.parse(sessionStorage.getItem(STORED));
    if (own && own.draft === form.elements.draft.value && own.text !== box.value) {
      box.value = own.text;
      typed();
    }
  } catch {
    forget();
  }
}

function typed() {
  remember();
  refreshButtons();
  kept.textContent = words.keeping;
  clearTimeout(waiting);
  waiting = setTimeout(keep, KEEP_AFTER);
}

// ---- the draft in the box

function put(text) {
  box.focus();
  box.select();
  // As if typed, so that the browser's own undo brings the old text back.
  if (!document.execCommand("insertText", false, text)) {
    box.value = text;
    typed();
  }
  box.setSelectionRange(0, 0);
  box.scrollTop = 0;
}

function settle(fresh) {
  section().replaceWith(fresh);
  document.getElementById("newer")?.remove();
  baseText = fresh.dataset.text;
  form.elements.draft.value = fresh.dataset.draft;
}

// A draft came and the agent has nothing of their own in the box: it goes in, the focus stays.
export function fill(fresh) {
  settle(fresh);
  box.value = fresh.dataset.text;
  saved = box.value;
  kept.textContent = "";
  if (onServer) keep({ always: true });
}

// A draft came while the agent writes: it waits to be asked for.
export function offer(fresh) {
  if (!form.elements.draft.value) {
    section().replaceWith(fresh);
    return;
  }
  document.getElementById("newer")?.remove();
  const template = document.createElement("template");
  template.id = "newer";
  template.content.append(fresh);
  document.body.append(template);
}

export function accept() {
  const wanted = newer() ?? section();
  if (!form || wanted.dataset.state !== "ready") return;
  settle(document.importNode(wanted, true));
  put(baseText);
  document.getElementById("spoken").textContent = words.replaced;
}

export function refreshButtons() {
  const latest = (newer() ?? section()).dataset;
  document.getElementById("accept").hidden = latest.state !== "ready" || latest.text === box.value;
  document.getElementById("discard").hidden = ["none", "empty", "failed"].includes(section().dataset.state);
  paint();
}

export function focusReply() {
  box?.focus();
}

// To the first sentence to check; the end when there is none.
export function edit() {
  if (!box) return;
  const doubt = place.querySelector(".doubt .to-sentence");
  if (!doubt || !select(doubt.dataset.text)) {
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  }
}

function select(text) {
  const at = box.value.indexOf(text);
  if (at < 0) return false;
  box.focus();
  box.setSelectionRange(at, at + text.length);
  return true;
}

// ---- marks in the box, and light on the sources

function paint() {
  const text = box.value;
  const doubts = [...place.querySelectorAll(".doubt .to-sentence")]
    .map(({ dataset }) => [text.indexOf(dataset.text), dataset.text.length])
    .filter(([at]) => at >= 0)
    .sort((one, other) => one[0] - other[0]);
  mirror.replaceChildren();
  let from = 0;
  for (const [at, length] of doubts) {
    if (at < from) continue;
    const mark = document.createElement("span");
    mark.className = "doubt-here";
    mark.textContent = text.slice(at, at + length);
    mirror.append(text.slice(from, at), mark);
    from = at + length;
  }
  mirror.append(`${text.slice(from)}\n`);
  mirror.scrollTop = box.scrollTop;
}

function light(markers, scroll) {
  let first = true;
  for (const card of place.querySelectorAll(".source")) {
    const lit = markers.includes(card.dataset.marker);
    card.classList.toggle("lit", lit);
    if (lit && first && scroll) card.scrollIntoView({ block: "nearest" });
    first &&= !lit;
  }
}

// The markers that close the stretch of text around the caret.
function markersAt(text, caret) {
  const start = text.lastIndexOf("\n", caret - 1) + 1;
  const lineEnd = text.indexOf("\n", caret);
  const line = text.slice(start, lineEnd < 0 ? text.length : lineEnd);
  for (const match of line.matchAll(MARKERS)) {
    if (start + match.index + match[0].length >= caret) return match[0].match(/\d+/g);
  }
  return [];
}

document.addEventListener("selectionchange", () => {
  if (box && document.activeElement === box) light(markersAt(box.value, box.selectionStart), true);
});
for (const kind of ["pointerover", "focusin"]) {
  place.addEventListener(kind, (event) => {
    const item = event.target.closest(".draft-sentences li");
    if (item) light(item.dataset.markers.trim().split(/\s+/), kind === "focusin");
  });
}
place.addEventListener("click", (event) => {
  const sentence = event.target.closest(".to-sentence");
  if (!sentence) return;
  event.preventDefault();
  if (box && !select(sentence.dataset.text)) box.focus();
});

// ---- sending, and its five seconds

if (form) {
  paint();
  restore();
  box.addEventListener("input", typed);
  box.addEventListener("scroll", () => { mirror.scrollTop = box.scrollTop; }, { passive: true });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector('button[value="pending"]'));
  });
  // What is on its way to be kept arrives first: it would come back as an unsent reply.
  form.addEventListener("submit", (event) => {
    clearTimeout(waiting);
    if (leaving) {
      event.preventDefault(); // a second click sends nothing twice
    } else if (saving) {
      event.preventDefault();
      const { submitter } = event;
      saving.then(() => form.requestSubmit(submitter));
    } else {
      leaving = true;
      forget();
    }
  });
  document.getElementById("accept").addEventListener("click", (event) => {
    event.preventDefault();
    accept();
  });
  addEventListener("online", () => keep());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  addEventListener("pagehide", () => {
    if (!leaving && box.value !== saved) navigator.sendBeacon(form.dataset.unsent, contents());
  });
}

const undo = document.getElementById("undo");
if (undo) {
  const until = performance.now() + Number(undo.dataset.seconds) * 1000;
  const button = undo.querySelector("button");
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    if (left > 0) {
      button.textContent = say("undo", { n: left });
      setTimeout(tick, 250);
    } else {
      button.remove();
      undo.querySelector(".undo-text").textContent = words.released;
    }
  };
  tick();
  document.getElementById("spoken").textContent = words.sent;
}
