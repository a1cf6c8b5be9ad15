"""From the bytes of a file to plain readable text with its structure."""

from knowledge.converters.formats import Format, convert, detect_format, draw_page, load_all

__all__ = ["Format", "convert", "detect_format", "draw_page", "load_all"]
