"""Colours that stay readable."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assistant.theming import DARK_SURFACE, LIGHT_SURFACE, contrast, readable_on


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_any_colour_becomes_readable(colour: tuple[int, int, int]) -> None:
    for ground in (LIGHT_SURFACE, DARK_SURFACE):
        assert contrast(readable_on(ground, colour), ground) >= 4.5
