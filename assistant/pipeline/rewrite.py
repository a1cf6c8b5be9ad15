"""Turns a follow-up into a question that can be searched for by itself, without a language model.

"And what about monthly?" puts its words in the place of the one in the earlier question that they
are most like, where one clearly is. Any other follow-up stands before and after the question that it
leans on, so that its own words weigh more. A small model does this better once one is configured and
routed for the task.

Does not catch: a follow-up that leans on an answer, and one that shows nothing of leaning.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

from assistant.pipeline.prompt import Turn
from gateway.words import telling_words

Embed = Callable[[tuple[str, ...]], Awaitable[Sequence[Sequence[float]]]]

LEANS = re.compile(
    r"^(?:and|but|so|then|what about|how about|what if|why|why not|also|or)\b"
    r"|\b(?:it|its|that|this|those|these|they|them|one|there|same|instead)\b",
    re.IGNORECASE,
)
# What is left of "and what about …?", "how about for …?", "and with …?".
SWAPS = re.compile(
    r"^(?:(?:and|but|or|so|ok|okay|then)[\s,]+)*(?:(?:what|how) about\s+)?(?:(?:for|in|to|with|on|by|the|a|an)\s+)*"
    r"(?P<other>[^?.!]+)[?.!\s]*$",
    re.IGNORECASE,
)
ASKS = re.compile(
    r"\b(?:how|what|when|where|why|who|which|do|does|did|can|could|is|are|was|will|would|should|may)\b", re.I
)
STANDALONE_WORDS = 12
SWAPPED_WORDS = 3
ALIKE = 0.55  # cosine of the words that change places
CLEARLY = 0.15  # more than the next best


async def standalone(question: str, history: Sequence[Turn], embed: Embed) -> str:
    """The question, with what it leans on when it cannot stand alone. Follow-ups of a follow-up lean
    on the question that they all began with."""
    topic = query = ""
    for text in [*(turn.text for turn in history if turn.role == "user"), question]:
        if not topic or len(text.split()) >= STANDALONE_WORDS or not LEANS.search(text):
            topic = query = text
        elif swapped := await _swapped(text, topic, embed):
            topic = query = swapped
        else:
            query = f"{text} {topic} {text}"
    return query


async def _swapped(question: str, topic: str, embed: Embed) -> str:
    """The topic with the question's words in the place of their like; empty where there is none."""
    match = SWAPS.match(question.strip())
    other = match["other"].strip() if match else ""
    known = telling_words(topic)
    new = [word for word in telling_words(other) if word not in known]
    if not known or not new or len(new) > SWAPPED_WORDS or ASKS.search(other):
        return ""
    asked, *vectors = await embed((" ".join(new), *known))
    likeness = [sum(x * y for x, y in zip(asked, vector, strict=True)) for vector in vectors]
    best = max(range(len(known)), key=likeness.__getitem__)
    others = [each for index, each in enumerate(likeness) if index != best]
    if likeness[best] < ALIKE or likeness[best] - max(others, default=0.0) < CLEARLY:
        return ""
    place = re.compile(rf"(?<!\w){re.escape(known[best])}(?!\w)", re.IGNORECASE)
    return place.sub(lambda _: " ".join(new), topic, count=1)
