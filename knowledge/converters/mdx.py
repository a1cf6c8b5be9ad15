"""MDX: Markdown with components. What is program goes, what is text stays."""

from __future__ import annotations

import re

from knowledge.converters.decoding import decode
from knowledge.converters.front_matter import split_front_matter
from knowledge.converters.markdown import document_of
from knowledge.types import ConvertedDocument

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_MODULE = re.compile(r"(?:import\s+(?:[\w*{'\"]|type\b)|export\s+(?:const|let|var|function|default|async|class|\{|\*))")
_COMMENT = re.compile(r"\{/\*.{0,5000}?\*/\}", re.S)
_TAG = re.compile(
    r"</?[A-Z][\w.]{0,80}(?:\s+(?:[\w:.-]{1,80}(?:\s*=\s*(?:\"[^\"]{0,2000}\"|'[^']{0,2000}'|\{[^{}]{0,2000}\}))?"
    r"|\{\.\.\.[\w.]{1,80}\}))*\s*/?>|</?>"
)
_SAID = re.compile(
    r"\b(?:title|label|heading|summary|question|alt)\s*=\s*(?:\"([^\"]+)\"|'([^']+)'|\{[\"'`]([^\"'`{}]+)[\"'`]\})"
)
_EXPRESSION = re.compile(r"(?<![\\`$])\{[^{}\n`]{0,500}\}")
_CODE = re.compile(r"(`+)[^`\n]{1,500}?\1(?!`)")


def convert_mdx(data: bytes, *, name: str) -> ConvertedDocument:
    """Imports, exports, comments and expressions are left out; a component leaves its content, and its
    title where it has one. Raises TooComplex, EmptyDocument, DocumentTooLarge."""
    text = decode(data).replace("\r\n", "\n").replace("\r", "\n")
    metadata, body = split_front_matter(text)
    return document_of("\n".join(_markdown(body)), metadata, name=name)


def _markdown(body: str) -> list[str]:
    """Line by line, so that code keeps every brace."""
    found: list[str] = []
    prose: list[str] = []
    fence = ""
    in_module = False
    for line in body.split("\n"):
        match = _FENCE.match(line)
        if fence:
            found.append(line)
            closes = match and match.group(1).startswith(fence) and not line.strip().strip(fence[0])
            fence = "" if closes else fence
        elif match:
            found += _prose(prose)
            prose = []
            fence = match.group(1)
            found.append(line)
        elif in_module or _MODULE.match(line):
            in_module = bool(line.strip())  # a statement ends with a blank line
        else:
            prose.append(line)
    return found + _prose(prose)


def _prose(lines: list[str]) -> list[str]:
    text = _COMMENT.sub("", "\n".join(lines))
    pieces: list[str] = []
    at = 0
    for code in _CODE.finditer(text):
        pieces += [_without_program(text[at : code.start()]), code.group()]
        at = code.end()
    pieces.append(_without_program(text[at:]))
    return "".join(pieces).split("\n") if lines else []


def _without_program(text: str) -> str:
    return _EXPRESSION.sub("", _TAG.sub(_title, text))


def _title(match: re.Match[str]) -> str:
    """What a component would show as its title stands in its place."""
    said = _SAID.search(match.group())
    if not said:
        return ""
    words = next(group for group in said.groups() if group)
    return f"\n\n**{words}**\n\n"
