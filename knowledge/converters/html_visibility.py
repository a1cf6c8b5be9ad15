"""Which elements of a page a reader does not see, or sees as the furniture around the article."""

from __future__ import annotations

import re

from bs4 import Tag

NEVER_SHOWN = frozenset(
    ("script", "style", "noscript", "template", "svg", "math", "iframe", "object", "embed", "canvas", "audio", "video")
    + ("head", "title", "select", "option", "datalist", "input", "textarea", "button", "dialog", "map", "area")
)
_FURNITURE = frozenset(("nav", "footer", "aside"))
_FURNITURE_ROLES = frozenset(("navigation", "banner", "contentinfo", "search", "complementary", "menu", "menubar"))
_HIDING = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|(?<![a-z-])opacity:0*(?:\.0+)?(?![\d.])|content-visibility:hidden"
    r"|(?<![a-z-])font-size:0*(?:\.0+)?(?:px|pt|r?em|%|vw|vh)?(?=;|!|$)|(?<![a-z-])font-size:0*\.0\d"
    r"|text-indent:-\d{3,}|(?<![a-z-])(?:left|top|right|bottom):-\d{3,}|clip:rect\(0|clip-path:inset\((?:50|100)%"
    r"|transform:scale\(0\)|(?<![a-z-])color:transparent"
    r"|(?<![a-z-])(?:height|width|max-height|max-width):0(?:px)?(?=;|!|$).*overflow:hidden"
)
_WHITE = re.compile(
    r"(?<![a-z-])color:(?:white|#fff(?:fff)?|rgba?\(255,255,255(?:,1)?\)|hsl\(\d+,\d+%,100%\))(?=;|!|$)"
)
_COLOUR = re.compile(r"(?<![a-z-])color:([^;!]+)")
_BACKGROUND = re.compile(r"background(?:-color|-image)?:([^;!]+)")
_COMMENT = re.compile(r"/\*.*?\*/")


def is_hidden(tag: Tag) -> bool:
    """Whether the element says by its own attributes that it is not shown (threat P2).

    Does not catch: style sheets, scripts that hide, text in the colour of a background that a
    parent has, one element laid over another.
    """
    if tag.has_attr("hidden") and str(tag["hidden"]).lower() != "until-found":
        return True
    style = tag.get("style")
    if style is None:
        return tag.name == "font" and str(tag.get("color") or "").lower() in ("white", "#fff", "#ffffff")
    # Comments and blanks inside the declaration are the usual way past a filter.
    rules = re.sub(r"\s+", "", _COMMENT.sub("", str(style).lower()))
    if _HIDING.search(rules):
        return True
    background = _BACKGROUND.search(rules)
    if background is None:
        return bool(_WHITE.search(rules)) and not tag.get("bgcolor")
    colour = _COLOUR.search(rules)
    return bool(colour) and colour.group(1) == background.group(1) if colour else False


def is_furniture(tag: Tag, *, in_article: bool) -> bool:
    """Navigation, page header and footer, side matter. A `header` inside the article is its heading."""
    name = tag.name
    if name in _FURNITURE:
        return True
    if name == "header":
        return not in_article
    return str(tag.get("role") or "").lower() in _FURNITURE_ROLES
