"""The marks within a line of AsciiDoc, to HTML."""

from __future__ import annotations

import re
from html import escape

from knowledge.errors import DocumentTooLarge

MAX_LINE = 500_000

_ATTRIBUTE = re.compile(r"\\?\{([\w-]{1,60})\}")
_BUILT_IN = {
    "nbsp": " ", "zwsp": "", "sp": " ", "empty": "", "blank": "", "apos": "'", "quot": '"', "plus": "+",
    "lt": "<", "gt": ">", "amp": "&", "vbar": "|", "asterisk": "*", "tilde": "~", "backtick": "`", "caret": "^",
    "startsb": "[", "endsb": "]", "backslash": "\\", "cpp": "C++", "two-colons": "::", "two-semicolons": ";;",
}  # fmt: skip
# Each match is bounded: no pattern looks further than a few hundred characters ahead.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\[\[[^\]\n]{1,200}\]\]|\[#[^\]\n]{1,200}\](?!#)"), ""),
    (re.compile(r"(?:image|icon|audio|video):{1,2}[^\s\[\]]{1,500}\[[^\]\n]{0,500}\]"), ""),
    (re.compile(r"\b(?:link|xref|mailto):[^\s\[\]]{1,500}\[([^\]\n]{1,500})\]"), r"\1"),
    (re.compile(r"\b(?:link|xref|mailto):([^\s\[\]]{1,500})\[\]"), r"\1"),
    (re.compile(r"\b(?:https?|ftp|irc)://[^\s\[\]]{1,500}\[([^\]\n]{1,500})\]"), r"\1"),
    (re.compile(r"(\b(?:https?|ftp|irc)://[^\s\[\]]{1,500})\[\]"), r"\1"),
    (re.compile(r"&lt;&lt;[^,&\n]{1,200},\s?([^&\n]{1,300})&gt;&gt;"), r"\1"),
    (re.compile(r"&lt;&lt;#?([^,&\n]{1,200})&gt;&gt;"), r"\1"),
    (re.compile(r"\b(?:kbd|btn|pass|stem|latexmath|asciimath):[a-z]{0,6}\[([^\]\n]{1,300})\]"), r"\1"),
    (re.compile(r"\bmenu:([^\[\]\n]{1,100})\[([^\]\n]{1,300})\]"), r"\1 &gt; \2"),
    (re.compile(r"\bfootnote(?:ref)?:[\w-]{0,60}\[([^\]\n]{1,1000})\]"), r" [\1]"),
    (re.compile(r"\(\(\(([^()\n]{1,300})\)\)\)"), ""),
    (re.compile(r"\(\(([^()\n]{1,300})\)\)"), r"\1"),
    (re.compile(r"\+\+\+([^\n]{1,500}?)\+\+\+|\$\$([^\n]{1,500}?)\$\$"), r"\1\2"),
    (re.compile(r"(?<![\w`])`\+([^\n]{1,500}?)\+`(?!\w)"), r"\1"),
    (re.compile(r"``([^`\n]{1,500})``|(?<![\w`])`([^`\n]{1,500})`(?![\w`])"), r"\1\2"),
    (re.compile(r"\*\*([^*\n]{1,500})\*\*|(?<![\w*])\*(?=\S)([^*\n]{1,500})(?<=\S)\*(?![\w*])"), r"\1\2"),
    (re.compile(r"__([^_\n]{1,500})__|(?<![\w_])_(?=\S)([^_\n]{1,500})(?<=\S)_(?![\w_])"), r"\1\2"),
    (re.compile(r"\[[^\]\n]{1,100}\](?=#)|\[\.[^\]\n]{1,100}\](?=[*_`])"), ""),
    (re.compile(r"##([^#\n]{1,500})##|(?<![\w#])#(?=\S)([^#\n]{1,500})(?<=\S)#(?![\w#])"), r"\1\2"),
    (re.compile(r"(?<=\w)[~^]([^~^\s]{1,50})[~^]"), r"\1"),
    (re.compile(r"&quot;`|`&quot;"), "&quot;"),
    (re.compile(r" \+$"), "<br>"),
    (re.compile(r"\\(?=[*_`#{\[<~^])"), ""),
)  # fmt: skip


def with_attributes(text: str, attributes: dict[str, str]) -> str:
    """`{name}` filled in, once: what an attribute holds is not looked through again."""

    def filled(match: re.Match[str]) -> str:
        if match.group().startswith("\\"):
            return match.group()[1:]
        name = match.group(1).lower()
        return attributes.get(name, _BUILT_IN.get(name, match.group()))

    return _ATTRIBUTE.sub(filled, text)


def inline(text: str, attributes: dict[str, str]) -> str:
    """HTML of one line. Marks of emphasis go, words stay, links leave their text."""
    text = with_attributes(text, attributes)
    if len(text) > MAX_LINE:
        raise DocumentTooLarge(f"a line of more than {MAX_LINE:,} characters")
    text = escape(text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
