"""Turns a follow-up into a question that can be searched for by itself.

Without a language model the earlier question is put in front where the new one leans on it. A
small model does this better once one is configured and routed for the task.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assistant.pipeline.prompt import Turn

LEANS = re.compile(
    r"^(?:and|but|so|then|what about|how about|what if|why|why not|also|or)\b"
    r"|\b(?:it|its|that|this|those|these|they|them|one|there|same|instead)\b",
    re.IGNORECASE,
)
STANDALONE_WORDS = 12


def standalone(question: str, history: Sequence[Turn]) -> str:
    """The question, with the last one before it when it cannot stand alone."""
    asked = [turn.text for turn in history if turn.role == "user"]
    if not asked or len(question.split()) >= STANDALONE_WORDS or not LEANS.search(question):
        return question
    return f"{asked[-1]} {question}"
