"""Where the article is on a page, and what around it and in it is furniture.

A page with `<main>` or a single `<article>` says so itself. On others the article is the deepest
element that still holds nearly all of the text that is not links. Rules, not a learned model: what
they drop can be explained.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from knowledge.converters.cleaning import HIDDEN_TEXT
from knowledge.converters.draft import DocumentDraft
from knowledge.converters.tree import same, walk
from knowledge.converters.visibility import Paint, is_hidden, painted, style_of

_NEVER = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "nav",
        "iframe",
        "object",
        "embed",
        "svg",
        "canvas",
        "audio",
        "video",
        "map",
        "input",
        "select",
        "textarea",
        "datalist",
        "dialog",
        "frameset",
        "applet",
    ]
)
_FURNITURE = re.compile(
    r"(?:^|[-_ ])(?:nav|navbar|navigation|menu|breadcrumbs?|footer|sidebar|side-bar|share|sharing|social|related|"
    r"recirc|"
    r"comments?|cookies?|promo|newsletter|subscribe|subscription|advert|advertisement|ads?|sponsor|sponsored|pagination|"
    r"pager|tags|byline|skip-link|toolbar|popup|modal|recommended|recommendations|read-more|more-stories|trending|"
    r"popular|signup|sign-up|disqus|masthead|widget|outbrain|taboola|copyright|vote|feedback|helpful)(?:$|[-_ ])",
    re.I,
)
_NOTE = re.compile(r"note|tip|warning|caution|info|important|admonition|callout|alert|danger|hint|starlight", re.I)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_CONTAINERS = frozenset(["div", "section", "ul", "ol", "aside", "header", "footer", "dl", "table", "p", "figure"])
_TOC = re.compile(r"(?:^|[-_ ])(?:toc|table-of-contents|tableofcontents|on-this-page)(?:$|[-_ ])", re.I)
_DENSE = 0.6
_DOMINANT = 0.72
_TEXTUAL = frozenset(["p", "li", "pre", "td", "blockquote", "dd", "h1", "h2", "h3", "h4", "h5", "h6"])


@dataclass
class _Weight:
    text: int = 0
    linked: int = 0
    fragments: int = 0
    links: int = 0

    @property
    def plain(self) -> int:
        return self.text - self.linked

    @property
    def density(self) -> float:
        return self.linked / self.text if self.text else 0.0


def find_main_content(page: LexborHTMLParser, draft: DocumentDraft, *, whole: bool) -> LexborNode | None:
    """The element to read, with hidden text and furniture taken out of the tree; None without a
    body. `whole` keeps everything that is visible: for a fragment that is all article. Warns of
    "hidden_text" where anything with a letter in it was hidden."""
    body = page.body
    if body is None:
        return None
    _remove_hidden(body, draft)
    removed = _remove_tags(body, whole=whole)
    if whole:
        return body
    root = _declared(body)
    weights = _weigh(body)
    if root is None:
        site_like = removed or weights[body.mem_id].density > 0.25
        root = _dominant(body, weights) if site_like else body
        _remove_furniture(root, weights, by_name=site_like)
    else:
        _remove_furniture(root, weights, by_name=True)
    return root


def _remove_hidden(body: LexborNode, draft: DocumentDraft) -> None:
    doomed: list[LexborNode] = []
    inside: LexborNode | None = None
    spoke = False
    paints = [Paint()]
    for node, entering in walk(body):
        if inside is not None:
            if node.is_text_node:
                spoke = spoke or any(map(str.isalnum, node.text_content or ""))
            elif not entering and same(node, inside):
                if spoke:
                    draft.warn(HIDDEN_TEXT)
                inside, spoke = None, False
            continue
        if not node.is_element_node:
            continue
        if not entering:
            paints.pop()
            continue
        attributes = node.attributes
        style = style_of(attributes)
        paint = painted(attributes, style, paints[-1]) if attributes else paints[-1]
        if (
            not same(node, body)
            and attributes
            and (is_hidden(attributes, style) or (paint != paints[-1] and paint.unreadable))
        ):
            doomed.append(node)
            inside = node
            continue
        paints.append(paint)
    for node in doomed:
        node.decompose()


def _remove_tags(body: LexborNode, *, whole: bool) -> bool:
    """Drop what is never article. True when the page had any of a site's furniture."""
    doomed: list[LexborNode] = []
    skipped: LexborNode | None = None
    site_like = False
    within = 0  # how many of main, article and headings are open
    for node, entering in walk(body):
        if not node.is_element_node:
            continue
        if skipped is not None:
            skipped = None if not entering and same(node, skipped) else skipped
            continue
        tag = node.tag or ""
        role = node.attributes.get("role") or ""
        if tag in ("main", "article", "h1", "h2", "h3", "h4", "summary", "dt") or role == "main":
            within += 1 if entering else -1
        elif entering and _is_furniture(tag, role, node, within=within, whole=whole):
            site_like = site_like or tag in ("nav", "header", "footer", "aside", "script", "iframe")
            doomed.append(node)
            skipped = node
    for node in doomed:
        node.decompose()
    return site_like


def _is_furniture(tag: str, role: str, node: LexborNode, *, within: int, whole: bool) -> bool:
    if tag in _NEVER:
        return True
    if tag == "button":
        return not within
    if tag == "form":
        return not _holds_the_page(node)
    if whole:
        return False
    if tag in ("header", "footer") or role in (
        "navigation",
        "banner",
        "contentinfo",
        "search",
        "complementary",
        "dialog",
    ):
        return not (tag == "header" and within)
    if tag == "aside":
        named = f"{node.attributes.get('class') or ''} {role}"
        return not (within and _NOTE.search(named))
    return False


def _holds_the_page(form: LexborNode) -> bool:
    """Some site builders wrap the whole page into one form."""
    return form.css_first("main, article, h1") is not None


def _declared(body: LexborNode) -> LexborNode | None:
    mains = body.css("main, [role=main]")
    root = mains[0] if mains else None
    articles = (root or body).css("article")
    if len(articles) == 1 and (root is None or len(articles[0].text()) > 0.5 * len(root.text())):
        return articles[0] if len(articles[0].text()) > 200 else root
    return root


def _weigh(body: LexborNode) -> dict[int, _Weight]:
    """Characters of text and of link text below each element, in one walk."""
    weights: dict[int, _Weight] = {}
    open_: list[_Weight] = []
    linked = 0
    for node, entering in walk(body):
        if node.is_text_node:
            length = len("".join((node.text_content or "").split()))
            open_[-1].text += length
            open_[-1].linked += length if linked else 0
        elif node.is_element_node and entering:
            weights[node.mem_id] = weight = _Weight()
            open_.append(weight)
            if node.tag == "a":
                linked += 1
                weight.links = 1
                weight.fragments = int((node.attributes.get("href") or "").startswith("#"))
        elif node.is_element_node:
            weight = open_.pop()
            linked -= node.tag == "a"
            if open_:
                parent = open_[-1]
                parent.text += weight.text
                parent.linked += weight.linked
                parent.links += weight.links
                parent.fragments += weight.fragments
    return weights


def _dominant(body: LexborNode, weights: dict[int, _Weight]) -> LexborNode:
    """Go down for as long as one child holds nearly all the plain text of its parent."""
    node = body
    while True:
        best: LexborNode | None = None
        child = node.first_child
        while child is not None:
            if child.is_element_node and (best is None or weights[child.mem_id].plain > weights[best.mem_id].plain):
                best = child
            child = child.next
        if best is None or best.tag in _TEXTUAL:
            return node
        if weights[best.mem_id].plain < _DOMINANT * weights[node.mem_id].plain:
            return node
        node = best


def _remove_furniture(root: LexborNode, weights: dict[int, _Weight], *, by_name: bool) -> None:
    doomed: list[LexborNode] = []
    skipped: LexborNode | None = None
    total = weights[root.mem_id].plain or 1
    for node, entering in walk(root):
        if not node.is_element_node or same(node, root):
            continue
        if skipped is not None:
            skipped = None if not entering and same(node, skipped) else skipped
            continue
        if entering and node.tag in _CONTAINERS and _drops(node, weights[node.mem_id], total, by_name=by_name):
            doomed.append(node)
            skipped = node
    for node in doomed:
        node.decompose()


def _drops(node: LexborNode, weight: _Weight, total: int, *, by_name: bool) -> bool:
    name = _CAMEL.sub("-", f"{node.attributes.get('class') or ''} {node.attributes.get('id') or ''}")
    if weight.links >= 2 and weight.density > _DENSE and (weight.fragments == weight.links or _TOC.search(name)):
        return True
    if not by_name or node.tag in ("p", "table"):
        return False
    if weight.links >= 4 and weight.density > 0.85 and node.tag in ("div", "ul", "section", "ol"):
        return weight.text < 0.5 * total
    return bool(_FURNITURE.search(name)) and weight.plain < 0.3 * total
