// Fills one turn. The markup is that of templates/portal/_turn.html, so that a reload changes nothing.
// Text only ever becomes text nodes: nothing here reads HTML.
const words = JSON.parse(document.getElementById("words").textContent);

export { words };

export function say(key, values = {}) {
  return words[key].replace(/%\((\w+)\)s/g, (all, name) => values[name] ?? all);
}

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

function link(className, href, text) {
  const element = make("a", className, text);
  element.setAttribute("href", href);
  return element;
}

function articleHref(base, citation) {
  const place = new URLSearchParams({ version: citation.version, start: citation.start, end: citation.end });
  return `${base}articles/${encodeURIComponent(citation.document)}/?${place}#quote`;
}

const articleOf = ({ document, version }) => `${document} ${version}`;

const wordsOf = (text) => new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []);

// Of the quotes with this marker the one that is most like the sentence: the largest share of the
// words of both stands in both.
function quoteFor(text, marker, citations) {
  const wanted = wordsOf(text);
  let best = null;
  let most = -1;
  for (const citation of citations.filter((each) => each.marker === marker)) {
    const quoted = wordsOf(citation.quote);
    const shared = [...quoted].filter((word) => wanted.has(word)).length;
    const likeness = shared / Math.max(wanted.size + quoted.size - shared, 1);
    if (likeness > most) [best, most] = [citation, likeness];
  }
  return best;
}

function markFor(base, citation) {
  const mark = link("mark", articleHref(base, citation), String(citation.marker));
  mark.dataset.title = citation.title;
  mark.dataset.quote = citation.quote;
  mark.setAttribute("aria-label", say("source", { n: citation.marker }));
  return mark;
}

function sentenceFor(base, sentence, citations) {
  const span = make("span", sentence.supported ? "sentence" : "sentence doubtful");
  if (sentence.text.includes("|")) {
    span.append(...sentence.text.split("|").map((part) => make("span", "cell", part.trim())));
  } else {
    sentence.text.replace(/^[-*] /, "• ").split(/\*\*(.+?)\*\*/).forEach((part, index) => {
      if (part) span.append(index % 2 ? make("strong", "", part) : part);
    });
  }
  for (const marker of sentence.citations ?? []) {
    const citation = quoteFor(sentence.text, marker, citations);
    if (citation) span.append(markFor(base, citation));
  }
  if (!sentence.supported) span.append(make("span", "why", words.doubts[sentence.reason] ?? words.doubt));
  return span;
}

export class Turn {
  constructor(element, base) {
    this.element = element;
    this.base = base;
    this.prose = element.querySelector(".prose");
    this.provisional = [];
  }

  static blank(base, question) {
    const clone = document.getElementById("turn-template").content.firstElementChild.cloneNode(true);
    clone.querySelector(".question").textContent = question;
    return new Turn(clone, base);
  }

  get question() {
    return this.element.querySelector(".question").textContent;
  }

  set status(value) {
    this.element.dataset.status = value;
  }

  set doing(text) {
    this.element.querySelector(".doing").textContent = text;
  }

  identify(message) {
    this.element.dataset.message = message;
    const form = this.element.querySelector(".thumbs");
    form.setAttribute("action", `${this.base}messages/${message}/feedback/`);
  }

  // Provisional text: paragraphs grow at their end alone, so nothing above them moves.
  delta(text) {
    text.split(/(\n+)/).forEach((part, index) => {
      if (index % 2) this.prose.append(document.createElement("p"));
      else if (part) {
        if (!this.prose.lastElementChild) this.prose.append(document.createElement("p"));
        const paragraph = this.prose.lastElementChild;
        if (paragraph.lastChild?.nodeType === Node.TEXT_NODE) paragraph.lastChild.appendData(part);
        else paragraph.append(paragraph.childNodes.length ? part : part.trimStart());
      }
    });
  }

  citation({ marker, source: passage }) {
    const source = this.provisional.find((each) => each.source === passage);
    const paragraph = this.prose.lastElementChild;
    if (!source || !paragraph) return;
    // A mark stands against its sentence, as it will in the final text.
    if (paragraph.lastChild?.nodeType === Node.TEXT_NODE) paragraph.lastChild.data = paragraph.lastChild.data.trimEnd();
    paragraph.append(markFor(this.base, { ...source, marker }));
    const card = this.element.querySelector(`.source[data-article="${CSS.escape(articleOf(source))}"]`);
    if (!card) return;
    card.dataset.marker = marker;
    card.querySelector(".number").textContent = marker;
  }

  retract() {
    this.prose.replaceChildren();
  }

  sources(list) {
    this.provisional = list;
    this.#cards(list);
  }

  final(answer) {
    const citations = answer.citations ?? [];
    this.status = answer.status;
    this.prose.replaceChildren();
    for (const sentence of answer.sentences ?? []) {
      if (!this.prose.lastElementChild || (sentence.lead ?? "").includes("\n")) {
        this.prose.append(make("p", sentence.text.includes("|") ? "row" : ""));
      }
      this.prose.lastElementChild.append(sentenceFor(this.base, sentence, citations), " ");
    }
    this.#cards(citations);
    const answered = answer.status === "answered";
    const degraded = Boolean(answer.degraded);
    this.#show(".when-extractive", answer.provider === "extractive" && answered && !degraded);
    this.#show(".when-quoted-instead", degraded && answered);
    this.#show(".when-pointed-instead", degraded && !answered);
    this.#show(".when-same", answered && answer.cached === "exact");
    this.#show(".when-similar", answered && answer.cached === "semantic");
    this.#show(".when-searched", !degraded || answered);
    this.#nearest(answer.nearest ?? []);
  }

  fail(why) {
    this.status = "failed";
    this.element.querySelector(".failure").textContent = why;
  }

  // What is copied: the words with [n], then the list of sources.
  get plain() {
    const copy = this.prose.cloneNode(true);
    copy.querySelectorAll(".why").forEach((why) => why.remove());
    copy.querySelectorAll(".cell + .cell").forEach((cell) => cell.prepend(" | "));
    copy.querySelectorAll(".mark").forEach((mark) => mark.replaceWith(` [${mark.textContent}]`));
    const text = [...copy.children].map((paragraph) => paragraph.textContent.trim()).join("\n\n");
    const sources = [...this.element.querySelectorAll(".source-title")].map((title) => {
      const [number, name] = [title.querySelector(".number").textContent, title.lastChild.textContent];
      return `[${number}] ${name} ${title.href}`;
    });
    return [text, sources.join("\n")].filter(Boolean).join("\n\n");
  }

  #show(selector, shown) {
    this.element.querySelector(selector).hidden = !shown;
  }

  // One card for each article: while an answer is written of those that were found, in the end of
  // those that are cited, with the quotes and in the order of their numbers.
  #cards(citations) {
    const aside = this.element.querySelector(".sources");
    const cards = new Map();
    for (const citation of [...citations].sort((a, b) => a.marker - b.marker)) {
      const href = articleHref(this.base, citation);
      const article = articleOf(citation);
      if (!cards.has(article)) {
        const card = make("li", "source");
        card.dataset.article = article;
        const title = link("source-title to-article", href, "");
        title.append(make("span", "number", String(citation.marker ?? "")), citation.title);
        if (citation.marker) card.dataset.marker = citation.marker;
        card.append(title);
        if (citation.outdated) card.append(make("span", "badge outdated", words.outdated));
        cards.set(article, card);
      }
      if (citation.marker) cards.get(article).append(link("quote to-article", href, citation.quote));
    }
    aside.querySelector("ol").replaceChildren(...cards.values());
    aside.hidden = cards.size === 0;
  }

  #nearest(list) {
    const box = this.element.querySelector(".nearest");
    box.hidden = list.length === 0;
    box.querySelector("ul").replaceChildren(
      ...list.map((near) => {
        const item = document.createElement("li");
        item.append(link("to-article", `${this.base}articles/${encodeURIComponent(near.document)}/`, near.title));
        return item;
      }),
    );
  }
}
