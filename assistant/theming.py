"""A tenant's one colour, made readable: contrast is kept whatever colour was chosen.

Contrast is that of WCAG 2.2 (relative luminance); 4.5 is its limit AA for text.
"""

from __future__ import annotations

Colour = tuple[int, int, int]

LIGHT_SURFACE: Colour = (0xEE, 0xF1, 0xF5)  # the darkest light ground that links stand on
DARK_SURFACE: Colour = (0x25, 0x2C, 0x37)  # the lightest dark one
BLACK: Colour = (0x10, 0x14, 0x1A)
WHITE: Colour = (0xFF, 0xFF, 0xFF)
ENOUGH = 4.5


def luminance(colour: Colour) -> float:
    parts = [c / 255 for c in colour]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    """1 (the same) to 21 (black on white)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def readable_on(ground: Colour, colour: Colour) -> Colour:
    """The colour, moved towards black or white only as far as text on the ground needs."""
    target = BLACK if luminance(ground) > 0.2 else WHITE
    for step in range(21):
        moved = (_mix(colour, target, step, 0), _mix(colour, target, step, 1), _mix(colour, target, step, 2))
        if contrast(moved, ground) >= ENOUGH:
            return moved
    return target


def stylesheet(accent: str) -> str:
    """Custom properties for `#rrggbb`, for both themes."""
    brand: Colour = (int(accent[1:3], 16), int(accent[3:5], 16), int(accent[5:7], 16))
    on_brand = max((WHITE, BLACK), key=lambda ink: contrast(ink, brand))
    light, dark = _css(readable_on(LIGHT_SURFACE, brand)), _css(readable_on(DARK_SURFACE, brand))
    return (
        f":root{{--brand:{_css(brand)};--on-brand:{_css(on_brand)};--accent:{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{--accent:{dark}}}}}\n"
        f":root[data-theme=dark]{{--accent:{dark}}}\n"
    )


def _mix(colour: Colour, target: Colour, step: int, channel: int) -> int:
    return round(colour[channel] + (target[channel] - colour[channel]) * step / 20)


def _css(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
