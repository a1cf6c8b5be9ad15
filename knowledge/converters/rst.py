"""reStructuredText: parsed by docutils, written as HTML and read as that, like Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles
from docutils.parsers.rst.languages import en as english
from docutils.utils import SystemMessage

from knowledge.converters.decoding import decode
from knowledge.converters.draft import DocumentDraft
from knowledge.converters.html import write_fragment
from knowledge.errors import ConversionFailed, TooComplex
from knowledge.types import ConvertedDocument

MAX_LINE = 10_000  # characters; docutils takes time in their square
MAX_UNKNOWN = 200  # names of directives and roles that docutils does not know

# Nothing is read from elsewhere and nothing comes out as it is; messages are for the author, not for the reader.
_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "_disable_config": True,
    "report_level": 5,
    "halt_level": 5,
    "warning_stream": False,
    "smart_quotes": False,
    "line_length_limit": MAX_LINE,
    "syntax_highlight": "none",
    "doctitle_xform": True,
    "docinfo_xform": True,
}
_DIRECTIVE = re.compile(r"^[ \t]*\.\.[ \t]+(?:\|[^|\n]+\|[ \t]+)?([\w:+.-]{1,60}?)::", re.M)
_ROLE = re.compile(r":([\w+.:-]{1,60}):`")
_TARGET = re.compile(r"^(.*?)\s*<[^<>]*>$", re.S)
_SILENT = frozenset(("toctree", "index", "highlight", "currentmodule", "module", "tabularcolumns", "meta"))
_LEFT_OUT: tuple[Any, ...] = (
    nodes.comment,
    nodes.target,
    nodes.substitution_definition,
    nodes.system_message,
    nodes.raw,
    nodes.meta,
)
_LEFT_OUT += (nodes.pending, nodes.image, nodes.decoration, nodes.colspec)
_WRAPPED: tuple[tuple[Any, str], ...] = (
    (nodes.paragraph, "p"),
    (nodes.bullet_list, "ul"),
    (nodes.list_item, "li"),
    (nodes.definition_list, "dl"),
    (nodes.term, "dt"),
    (nodes.definition, "dd"),
    (nodes.block_quote, "blockquote"),
    (nodes.literal_block, "pre"),
    (nodes.doctest_block, "pre"),
    (nodes.table, "table"),
    (nodes.row, "tr"),
    (nodes.entry, "td"),
    (nodes.caption, "p"),
    (nodes.attribution, "p"),
    (nodes.rubric, "p"),
    (nodes.line_block, "p"),
    (nodes.footnote, "div"),
    (nodes.citation, "div"),
    (nodes.sidebar, "div"),
    (nodes.topic, "div"),
    (nodes.field, "p"),
    (nodes.option_list_item, "p"),
    (nodes.docinfo, "div"),
)


def convert_rst(data: bytes, *, name: str) -> ConvertedDocument:
    """Directives and roles that docutils does not know (Sphinx's, say) leave their text. `include`, `raw`
    and whatever else reads a file or an address is off. Raises ConversionFailed, TooComplex, EmptyDocument,
    DocumentTooLarge."""
    text = decode(data).replace("\r\n", "\n").replace("\r", "\n")
    if max(map(len, text.split("\n"))) > MAX_LINE:
        raise TooComplex(f"a line of more than {MAX_LINE:,} characters")
    with _tolerant(text):
        try:
            tree = publish_doctree(text, settings_overrides=_SETTINGS)
        except RecursionError as error:
            raise TooComplex("nested deeper than docutils can follow") from error
        except (SystemMessage, ValueError, AttributeError, TypeError, IndexError, KeyError, AssertionError) as error:
            raise ConversionFailed("docutils cannot read it") from error
    draft = DocumentDraft()
    write_fragment("".join(_html(tree)), draft)
    return draft.finish(name=name, title=str(tree.get("title") or ""))


@contextmanager
def _tolerant(text: str) -> Iterator[None]:
    """What the text names and docutils does not know is known meanwhile."""
    named = {match.lower() for match in _DIRECTIVE.findall(text)}
    said = {match.lower() for match in _ROLE.findall(text)}
    named -= {*directives._directive_registry, *english.directives}
    said -= {*roles._role_registry, *english.roles}
    before = dict(directives._directives), dict(roles._roles)
    for name in sorted(named)[:MAX_UNKNOWN]:
        directives.register_directive(name, _Unknown)
    for name in sorted(said)[:MAX_UNKNOWN]:
        roles.register_local_role(name, _unknown_role)
    try:
        yield
    finally:
        directives._directives, roles._roles = before


class _AnyOption(dict[str, Any]):
    def __missing__(self, key: str) -> Any:
        return lambda value: value

    def __bool__(self) -> bool:
        return True


class _Unknown(Directive):  # type: ignore[misc]
    """Its argument, as a line, and its content."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec = _AnyOption()

    def run(self) -> list[Any]:
        if self.name in _SILENT:
            return []
        found = nodes.container()
        if self.arguments:
            found += nodes.paragraph(self.arguments[0], self.arguments[0])
        self.state.nested_parse(self.content, self.content_offset, found)
        return [found]


def _unknown_role(
    role: str, rawtext: str, text: str, lineno: int, inliner: Any, *_: Any
) -> tuple[list[Any], list[Any]]:
    """`:ref:`the words <label>`` leaves the words."""
    match = _TARGET.match(nodes.unescape(text))
    return [
        nodes.inline(rawtext, (match.group(1) if match and match.group(1) else nodes.unescape(text)).lstrip("~!"))
    ], []


def _html(tree: nodes.Node) -> Iterator[str]:
    """Markup for the tree, without recursion: a node, or the tag that closes one."""
    stack: list[tuple[nodes.Node | str, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, nodes.Text):
            yield escape(node.astext())
        elif not isinstance(node, _LEFT_OUT):
            before, after, depth = _tags(node, depth)
            yield before
            stack.append((after, depth))
            stack.extend((child, depth) for child in reversed(node.children))


def _tags(node: nodes.Node, depth: int) -> tuple[str, str, int]:
    """What stands before and after a node's children, and how deep their sections lie."""
    if isinstance(node, nodes.section):
        return "", "", depth + 1
    if isinstance(node, nodes.title):
        if not isinstance(node.parent, nodes.section | nodes.document):
            return "<p>", "</p>", depth
        level = min(max(depth + (1 if _titled(node) else 0), 1), 6)
        return f"<h{level}>", f"</h{level}>", depth
    if isinstance(node, nodes.subtitle):
        return "<h2>", "</h2>", depth
    if isinstance(node, nodes.enumerated_list):
        return f'<ol start="{node.get("start", 1)}">', "</ol>", depth
    if isinstance(node, nodes.Admonition):
        named = "" if isinstance(node, nodes.admonition) else f"<p>{escape(node.tagname.capitalize())}:</p>"
        return f"<div>{named}", "</div>", depth
    if isinstance(node, nodes.line):
        return "", "<br>", depth
    if isinstance(node, nodes.label | nodes.footnote_reference | nodes.citation_reference):
        return "[", "] ", depth
    if isinstance(node, nodes.field_name | nodes.option_group):
        return "", ": ", depth
    if isinstance(node, nodes.author | nodes.date | nodes.version | nodes.contact | nodes.organization | nodes.status):
        return f"<p>{escape(node.tagname.capitalize())}: ", "</p>", depth
    if isinstance(node, nodes.paragraph) and isinstance(node.parent, nodes.field_body | nodes.description):
        return "", " ", depth  # within a line that its field began
    tag = next((tag for kind, tag in _WRAPPED if isinstance(node, kind)), "")
    return (f"<{tag}>", f"</{tag}>", depth) if tag else ("", "", depth)


def _titled(title: nodes.Node) -> bool:
    """Whether the document's own title was taken out, so that its sections begin a level lower."""
    document = title.document
    return isinstance(title.parent, nodes.section) and bool(document and document.get("title"))
