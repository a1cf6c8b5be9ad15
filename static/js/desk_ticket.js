// One ticket's page: news that come while it is open, and the draft being written again.
import { say, words } from "./answer.js";
import { keys } from "./desk.js";
import { accept, box, contents, edit, fill, focusReply, form, keep, offer, pristine, refreshButtons, section } from "./desk_reply.js";
import { follow } from "./desk_stream.js";
import { close, hide } from "./quotes.js";

const NEWS_EVERY = 4000;
const NEWS_WHILE_WRITING = 1000;
const main = document.getElementById("main");
const entries = document.getElementById("entries");
const notice = document.getElementById("notice");
const preview = document.getElementById("preview");
const spoken = document.getElementById("spoken");
let last = Number(main.dataset.last);
let known = document.getElementById("newer")?.content.querySelector(".draft").dataset.key ?? section().dataset.key;
let timer = 0;
let writing = null; // the AbortController of a draft that streams into the preview

Object.assign(keys, {
  r: focusReply,
  a: accept,
  e: edit,
  n: () => {
    document.getElementById("note-box").open = true;
    document.getElementById("note").focus();
  },
  c: () => document.querySelector('.states button[value="closed"][aria-pressed="false"]')?.click(),
  u: () => document.querySelector("#undo button")?.click(),
  Escape: () => {
    hide();
    close();
  },
});

// ---- news

function tell(text, { read = false, use = false } = {}) {
  notice.hidden = false;
  notice.querySelector(".notice-text").textContent = text;
  spoken.textContent = text;
  notice.querySelector(".notice-read").hidden = !read;
  document.getElementById("use-newer").hidden = !use;
}

function parsed(html) {
  // Our own page, escaped on the server; a parsed document runs no script and loads nothing.
  return new DOMParser().parseFromString(html, "text/html").body;
}

function show(news) {
  document.getElementById("since")?.remove();
  const typing = form && (document.activeElement === box || !pristine());
  const below = innerHeight + scrollY >= document.documentElement.scrollHeight - 80;
  const list = document.createElement("ol");
  list.append(...[...parsed(news.entries).children].map((node) => document.adoptNode(node)));
  entries.append(...list.children);
  last = news.last;
  if (form) form.elements.seen.value = last;
  if (news.customer) tell(typing ? words.customer_wrote_typing : words.customer_wrote, { read: true });
  if (below && !typing) entries.lastElementChild.scrollIntoView({ block: "end" });
}

function showDraft(draft) {
  known = draft.key;
  const fresh = document.adoptNode(parsed(draft.html).firstElementChild);
  if (!form) return;
  if (draft.state !== "ready") {
    // The sources of what stands in the box stay beside it until another text is there.
    if (!box.value.trim() || !form.elements.draft.value) section().replaceWith(fresh);
  } else if (pristine()) {
    const replaced = Boolean(box.value.trim());
    fill(fresh);
    spoken.textContent = words.draft_done;
    if (replaced) tell(words.draft_done);
  } else {
    offer(fresh);
    tell(words.draft_ready, { use: true });
  }
  refreshButtons();
}

async function poll() {
  clearTimeout(timer);
  if (!document.hidden && !writing) {
    const address = new URL(main.dataset.news, location.href);
    address.searchParams.set("after", last);
    address.searchParams.set("draft", known);
    try {
      const answer = await fetch(address);
      if (answer.redirected || answer.status === 404) return; // signed out, or the ticket is gone
      if (answer.ok) {
        const news = await answer.json();
        if (news.entries) show(news);
        if (news.draft.html && !writing) showDraft(news.draft);
        if (news.state !== main.dataset.state) {
          main.dataset.state = news.state;
          document.querySelectorAll(".states button").forEach((each) => {
            each.setAttribute("aria-pressed", String(each.value === news.state));
          });
          if (!news.customer) tell(words.changed);
        }
      }
    } catch {
      // no connection: the next round asks again for all after `last`
    }
  }
  const soon = ["waiting", "writing"].some((state) => known.endsWith(`:${state}`));
  timer = setTimeout(poll, soon ? NEWS_WHILE_WRITING : NEWS_EVERY);
}

document.addEventListener("visibilitychange", () => document.hidden || poll());
document.getElementById("use-newer").addEventListener("click", () => {
  accept();
  notice.hidden = true;
});

// ---- the draft written again

function previewing(on) {
  preview.hidden = !on;
  document.getElementById("stop").hidden = !on;
  document.getElementById("again").hidden = on;
  preview.querySelector(".prose").replaceChildren();
  preview.querySelector(".doing").textContent = on ? words.searching : "";
}

function append(text) {
  const prose = preview.querySelector(".prose");
  text.split(/\n+/).forEach((part, index) => {
    if (index || !prose.lastElementChild) prose.append(document.createElement("p"));
    prose.lastElementChild.append(part);
  });
}

const doing = (text) => { preview.querySelector(".doing").textContent = text; };
const handlers = {
  progress({ stage, detail }) {
    const n = detail?.articles;
    if (stage === "searching") doing(words.searching);
    else if (n) doing(n === 1 ? words.reading_one : say("reading_many", { n }));
  },
  delta({ text }) {
    doing(words.writing);
    append(text);
  },
  citation({ marker }) {
    const mark = document.createElement("span");
    mark.className = "mark";
    mark.textContent = marker;
    preview.querySelector(".prose").lastElementChild?.append(mark);
  },
  retract() {
    preview.querySelector(".prose").replaceChildren();
    doing(words.restarting);
  },
  final: ({ answer }) => answer.status === "abstained" && tell(words.draft_empty),
  error: () => tell(words.draft_failed),
};

async function discard() {
  const data = contents();
  data.set("do", "stop");
  try {
    await fetch(document.getElementById("again").formAction, { method: "POST", body: data, redirect: "manual" });
  } catch {
    // offline: the draft goes on being written, and waits to be asked for
  }
}

async function writeAgain() {
  if (writing) return;
  await keep({ always: true }); // the draft in the box is about to be replaced: a reload brings it back
  notice.hidden = true;
  writing = new AbortController();
  previewing(true);
  spoken.textContent = words.writing;
  try {
    const ended = await follow(form.dataset.stream, form.elements.csrfmiddlewaretoken.value, writing.signal, (event) =>
      handlers[event.type]?.(event),
    );
    if (!ended) tell(words.draft_failed);
  } catch (error) {
    const stopped = error.name === "AbortError";
    if (stopped) await discard();
    tell(stopped ? words.stopped : words.draft_failed);
  }
  previewing(false);
  writing = null;
  poll();
}

document.getElementById("again")?.addEventListener("click", (event) => {
  event.preventDefault();
  writeAgain();
});
document.getElementById("stop")?.addEventListener("click", () => {
  writing?.abort();
  document.getElementById("again").hidden = false;
  document.getElementById("again").focus();
});

// ---- a long thread opens at what is new, or at its end

if (!location.hash) {
  const since = document.getElementById("since");
  if (since) since.scrollIntoView({ block: "start" });
  else entries.lastElementChild?.scrollIntoView({ block: "end" });
}
timer = setTimeout(poll, NEWS_WHILE_WRITING);
