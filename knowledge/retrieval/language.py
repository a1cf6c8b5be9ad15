"""Whether a question is in the language that the embedding model was trained on: English.

The packaged model knows little of any other, so there the keyword search is the surer of the two.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]+")

_ENGLISH_WORDS = """
the of and to is in i my it that for on how what with can do does did was are be this not have when which who
why where from as at by an or if but we you they there any will would should could has had
"""
# Function words of other languages in Latin script that English does not have.
_OTHER_WORDS = """
der das und ist nicht ich ein eine einen von mit auf für wie welche wer wann wurde warum den dem des im zu sich
gab wo viele hatte sie werden wird bei nach über unter durch haben sind oder als auch wem wen zum zur vom aus
welchem welchen welches welcher
el los las una que qué de del en por para con se cómo cuál cuándo dónde es fue y su como mi puedo cuántos cuántas
quién cuáles fueron más ser
le les du et est dans pour qui quel quelle comment je ne pas sur avec mon où
il lo gli di che è sono ho della dei nel posso questo alla
het een niet ik op voor met zijn hoe wat wie naar maar bij ook deze kan mijn
os um uma da não são meu minha ao
na že jsem ve jak ale po nebo nie jest się czy
"""
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_OTHER = frozenset(_OTHER_WORDS.split())


def is_english(text: str) -> bool:
    """By script and function words; a text that shows neither counts as English."""
    letters = [character for character in text if character.isalpha()]
    foreign = sum(ord(character) > 0x24F for character in letters)
    if foreign * 5 > len(letters):
        return False
    words = [word.lower() for word in _WORD.findall(text)]
    other = sum(word in _OTHER or not word.isascii() for word in words)
    return other == 0 or other < sum(word in _ENGLISH for word in words)


def spaced(text: str) -> str:
    """`text` with runs of a script that sets no spaces cut into pairs of characters, overlapping, for
    the keyword index: a word of two characters, the most common, is then a term, and a longer one
    several. The text of a passage stays as it is; only what is indexed changes."""
    return _UNSPACED.sub(lambda run: _pairs(run.group()), text)


def _pairs(run: str) -> str:
    return " " + " ".join(run[at : at + 2] for at in range(max(1, len(run) - 1))) + " "
