// Hands files in one by one, a few at a time, and shows how far each is while workers read them.
import { Socket } from "./socket.js";

const AT_ONCE = 3;
const form = document.getElementById("upload");
const drop = document.getElementById("drop");
const input = document.getElementById("files");
const list = document.getElementById("uploads");
const blank = document.getElementById("upload-row");
const spoken = document.getElementById("spoken");
const notice = document.getElementById("connection");
const words = JSON.parse(document.getElementById("words").textContent);
const watched = new Map(); // document id -> row
const queue = [];
let sending = 0;
let finished = 0;

document.querySelectorAll(".needs-script").forEach((each) => { each.hidden = false; });
document.querySelectorAll(".needs-no-script").forEach((each) => { each.hidden = true; });

const socket = new Socket(form.dataset.socket, { onEvent: receive, onOpen: watchAll, onState: connection });

// ---- choosing

input.addEventListener("change", () => {
  take(input.files);
  input.value = "";
});
form.addEventListener("submit", (event) => event.preventDefault());

for (const name of ["dragenter", "dragover"]) {
  addEventListener(name, (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    drop.classList.add("over");
  });
}
addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("over"));
addEventListener("drop", (event) => {
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  drop.classList.remove("over");
  take(event.dataTransfer.files);
});

function take(files) {
  document.getElementById("no-uploads").hidden = true;
  for (const file of files) {
    const row = blank.content.cloneNode(true).firstElementChild;
    row.querySelector(".upload-name").textContent = file.name;
    list.prepend(row);
    if (file.size > Number(form.dataset.max) * 1e6) {
      show(row, { state: "failed", label: "", hint: words.too_large, code: "document_too_large" });
      continue;
    }
    label(row, words.waiting_to_send);
    queue.push({ file, row });
  }
  next();
}

// ---- sending

function next() {
  while (sending < AT_ONCE && queue.length) send(queue.shift());
}

function send({ file, row }) {
  sending += 1;
  label(row, words.sending);
  const body = new FormData(form);
  body.delete("files");
  body.append("files", file);
  // fetch tells nothing of how much was sent.
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.responseType = "json";
  request.upload.onprogress = ({ loaded, total }) => { row.querySelector("progress").value = (100 * loaded) / total; };
  request.onloadend = () => {
    sending -= 1;
    const answer = request.status === 200 && request.response?.files?.[0];
    if (answer) show(row, answer);
    else show(row, { state: "failed", label: "", hint: words.not_sent, code: "" });
    next();
  };
  request.send(body);
}

// ---- following

function show(row, { document: id, name, state, label: text, hint, code, finished: ended }) {
  if (name) row.querySelector(".upload-name").textContent = name;
  row.className = `upload-row state-${state}`;
  label(row, text);
  row.querySelector("progress")?.remove();
  const why = row.querySelector(".upload-why");
  why.textContent = hint ? `${hint} ` : "";
  if (code) {
    const small = document.createElement("span");
    small.className = "small";
    small.textContent = code;
    why.append(small);
  }
  if (!id || ended) return;
  watched.set(id, row);
  socket.send({ type: "watch", document: id });
}

function label(row, text) {
  const badge = row.querySelector(".badge");
  badge.textContent = text;
  badge.hidden = !text;
}

function receive(event) {
  const row = event.type === "document" && watched.get(event.document);
  if (!row) return;
  const ended = event.finished;
  if (ended) watched.delete(event.document);
  show(row, { ...event, finished: true }); // it is watched already
  if (!ended) return;
  finished += 1;
  spoken.textContent = finished === 1 ? words.done_one : words.done_many.replace("%(n)s", finished);
}

function watchAll() {
  for (const row of list.querySelectorAll("[data-document]")) {
    watched.set(row.dataset.document, row);
    row.removeAttribute("data-document");
  }
  for (const document of watched.keys()) socket.send({ type: "watch", document });
}

function connection(state) {
  notice.hidden = state === "open";
  if (state !== "open") notice.textContent = state === "signed_out" ? words.signed_out : words.reconnecting;
}
