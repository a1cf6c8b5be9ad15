"""The patterns, and with them what Presidio's model of language takes for persons and places.

An extra: `pip install "citedesk[presidio]"`, and a model of spaCy's such as `en_core_web_sm`, which
the deployment names. Slower by a factor of fifty and more; finds names that no list has.
"""

from __future__ import annotations

from gateway.errors import NotInstalled
from gateway.redaction.detector import Patterns
from gateway.redaction.spans import Kind, Span, apart

KINDS = {"PERSON": Kind.NAME, "LOCATION": Kind.PLACE}
LEAST = 0.5  # of a score between 0 and 1
MISSING = (
    "the redaction detector 'presidio' is an extra: pip install \"citedesk[presidio]\", and a model of spaCy's under "
    "the name that CITEDESK_PRESIDIO_MODEL gives"
)


class Presidio:
    """Loads the model when it is made. Raises `NotInstalled` where the extra or the model is missing."""

    def __init__(self, model: str) -> None:
        try:
            from presidio_analyzer import AnalyzerEngine
            from presidio_analyzer.nlp_engine import NlpEngineProvider
            from spacy.util import is_package
        except ImportError as error:
            raise NotInstalled(MISSING) from error
        if not is_package(model):  # or Presidio would try to download it
            raise NotInstalled(MISSING)
        named = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}
        engine = NlpEngineProvider(nlp_configuration=named).create_engine()
        self._analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
        self._patterns = Patterns()

    def find(self, text: str) -> list[Span]:
        results = self._analyzer.analyze(text, language="en", entities=list(KINDS), score_threshold=LEAST)
        named = [Span(each.start, each.end, KINDS[each.entity_type]) for each in results]
        return apart([*self._patterns.find(text), *named])
