// The portal's page: asks, shows the answer as it comes, resumes after a lost connection.
import { Turn, say, words } from "./answer.js";
import { close, hide } from "./quotes.js";
import { Socket } from "./socket.js";

const main = document.getElementById("main");
const turnsBox = document.getElementById("turns");
const form = document.getElementById("ask");
const box = document.getElementById("question");
const sendButton = document.getElementById("send");
const stopButton = document.getElementById("stop");
const spoken = document.getElementById("spoken");
const notice = document.getElementById("connection");
const base = main.dataset.base;
let conversation = main.dataset.conversation || null;
let current = null; // {turn, message, last, accepted, asked}
let said = "";

const socket = new Socket(main.dataset.socket, { onEvent: receive, onOpen: resume, onState: connection });

// ---- asking

function ask(question) {
  const text = question.trim();
  if (!text || current) return;
  const turn = Turn.blank(base, text);
  const message = crypto.randomUUID?.() ?? uuid();
  document.getElementById("welcome")?.remove();
  turnsBox.querySelectorAll(".fresh").forEach((old) => old.classList.remove("fresh"));
  turn.element.classList.add("fresh");
  turn.status = "streaming";
  turn.doing = words.searching;
  turn.identify(message);
  enliven(turn.element);
  turnsBox.append(turn.element);
  turn.element.scrollIntoView({ block: "start" });
  speak(words.searching, true);
  const asked = { type: "ask", question: text, conversation, id: message };
  begin({ turn, message, last: 0, accepted: false, asked });
  socket.send(asked);
  box.value = "";
  box.placeholder = box.dataset.followUp;
}

// For pages that come without TLS from another machine, where randomUUID is missing.
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}

function begin(work) {
  current = work;
  said = "";
  sendButton.hidden = true;
  stopButton.hidden = false;
}

function end() {
  current = null;
  stopButton.hidden = true;
  sendButton.hidden = false;
}

function stop() {
  if (current) socket.send({ type: "stop", message: current.message });
}

// ---- what comes

function receive(event) {
  if (!current || (event.message && event.message !== current.message)) return;
  if (event.n) {
    if (event.n <= current.last) return;
    current.last = event.n;
  }
  handlers[event.type]?.(event, current.turn);
}

const handlers = {
  accepted(event, turn) {
    current.accepted = true;
    turn.identify(event.message);
    adopt(event.conversation, turn.question);
  },
  progress(event, turn) {
    const n = event.detail?.articles;
    if (event.stage === "searching") turn.doing = words.searching;
    else if (n) turn.doing = n === 1 ? words.reading_one : say("reading_many", { n });
    speak(turn.element.querySelector(".doing").textContent, true);
  },
  sources: (event, turn) => turn.sources(event.sources),
  delta(event, turn) {
    turn.doing = words.writing;
    turn.delta(event.text);
    said += event.text;
    speak(said, false);
  },
  citation: (event, turn) => turn.citation(event),
  retract(event, turn) {
    turn.retract();
    turn.doing = words.restarting;
    said = "";
  },
  final(event, turn) {
    hide();
    turn.final(event.answer);
    speak(turn.prose.textContent.trim() ? said : turn.element.querySelector(".lead").textContent, true);
    end();
  },
  error(event, turn) {
    const why = words.failures[event.code] ?? words.failed; // `detail` is in the language of the API
    turn.fail(why);
    speak(why, true);
    if (!current.accepted) box.value ||= turn.question; // nothing was saved: the words stay with the reader
    end();
  },
};

// The conversation exists now: it has an address, a place in the list, and a person to hand it to.
function adopt(id, title) {
  if (conversation === id) return;
  conversation = id;
  form.elements.conversation.value = id;
  const address = `${base}c/${id}/`;
  history.replaceState(null, "", address);
  const person = document.getElementById("person-form");
  person.method = "post";
  person.action = `${address}person/`;
  if (!person.elements.csrfmiddlewaretoken) person.append(form.elements.csrfmiddlewaretoken.cloneNode());
  const link = document.createElement("a");
  link.href = address;
  link.textContent = title.length > 70 ? `${title.slice(0, 69)}…` : title;
  link.setAttribute("aria-current", "page");
  const item = document.createElement("li");
  item.append(link);
  document.getElementById("history-list").prepend(item);
}

// Screen readers hear whole sentences: what follows the last full stop waits.
let heard = 0;
function speak(text, whole) {
  if (whole && text !== said) {
    if (spoken.textContent !== text) spoken.textContent = text;
    heard = 0;
    return;
  }
  const stopAt = whole ? text.length : Math.max(text.lastIndexOf(". "), text.lastIndexOf("? "), text.lastIndexOf("\n")) + 1;
  if (stopAt > heard) {
    const line = document.createElement("p");
    line.textContent = text.slice(heard, stopAt).trim();
    if (heard === 0) spoken.replaceChildren();
    if (line.textContent) spoken.append(line);
    heard = stopAt;
  }
}

// ---- connection

function resume() {
  if (!current) return;
  if (current.last === 0 && current.asked) {
    // Asking again with the same id is the same question.
    if (!socket.waiting.includes(current.asked)) socket.send(current.asked);
  } else socket.send({ type: "resume", message: current.message, after: current.last });
}

let noticing = 0;
function connection(state) {
  clearTimeout(noticing);
  if (state === "open") notice.hidden = true;
  // A short break is nobody's business.
  else noticing = setTimeout(() => { notice.textContent = words[state]; notice.hidden = false; }, state === "reconnecting" ? 1200 : 0);
}

// ---- what the reader does with an answer

function enliven(root) {
  root.querySelectorAll(".needs-script").forEach((each) => { each.hidden = false; });
}

function tell(turn, text) {
  turn.querySelector(".said-back").textContent = text;
}

async function copy(turn) {
  try {
    await navigator.clipboard.writeText(new Turn(turn, base).plain);
    tell(turn, words.copied);
  } catch {
    tell(turn, words.copy_failed);
  }
}

async function thumb(formElement, value, asksWhy) {
  const turn = formElement.closest(".turn");
  const data = new FormData(formElement);
  data.set("value", value);
  try {
    const answer = await fetch(formElement.action, { method: "POST", body: data, headers: { "X-Requested-With": "fetch" } });
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    formElement.querySelectorAll(".thumb").forEach((each) => each.setAttribute("aria-pressed", String(each.value === value)));
    const reasons = formElement.querySelector(".reasons");
    reasons.hidden = !asksWhy;
    if (asksWhy) reasons.querySelector("input").focus();
    tell(turn, asksWhy ? "" : words.thanks);
  } catch {
    tell(turn, words.not_saved);
  }
}

turnsBox.addEventListener("click", (event) => {
  const action = event.target.closest("[data-do]")?.dataset.do;
  const turn = event.target.closest(".turn");
  if (action === "copy") copy(turn);
  if (action === "retry") ask(turn.querySelector(".question").textContent);
});
turnsBox.addEventListener("submit", (event) => {
  if (!event.target.matches(".thumbs")) return;
  event.preventDefault();
  const value = event.submitter?.value ?? "up";
  thumb(event.target, value, value === "down" && Boolean(event.submitter?.matches(".thumb")));
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(event.submitter?.name === "example" ? event.submitter.value : box.value);
});
box.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  ask(box.value);
});
stopButton.addEventListener("click", stop);
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector(":popover-open")) return;
  if (!document.getElementById("quote-pop").hidden) hide();
  else if (!close()) stop();
});

// ---- a page that was reloaded in the middle of an answer

enliven(turnsBox);
// A long conversation opens at its last question; the keyboard of a phone stays down until asked for.
const lastTurn = turnsBox.lastElementChild;
if (lastTurn?.previousElementSibling) lastTurn.scrollIntoView({ block: "start" });
if (conversation && matchMedia("(hover: hover)").matches) box.focus({ preventScroll: true });
const unfinished = turnsBox.querySelector('.turn[data-status="streaming"]:last-child');
if (unfinished) {
  const turn = new Turn(unfinished, base);
  begin({ turn, message: unfinished.dataset.message, last: 0, accepted: true, asked: null });
  if (socket.link.readyState === WebSocket.OPEN) resume();
}
