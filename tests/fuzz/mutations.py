"""Changes to a document, each decided by its random number generator alone."""

from __future__ import annotations

import io
import random
import re
import zipfile
import zlib
from collections.abc import Callable

# Values at which code that counts goes wrong, and marks at which parsers change their mind.
TOKENS = [
    *(b"\x00", b"\xff", b"\xff\xff\xff\xff", b"\x80\x00\x00\x00", b"\x7f\xff\xff\xff", b"-1", b"0", b"99999999999"),
    *(b"4294967296", b"1e309", b"NaN", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\r", b"\n\n", b"\t", b"  "),
    *(b"<", b">", b"</", b"<!--", b"-->", b"<![CDATA[", b"<table><tr><td>", b"<pre>", b"</p>", b"<font>"),
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"style=\"display:none\"", b"hidden", b"rowspan=65535", b"&#x110000;"),
    *(b"```", b"~~~", b"> ", b"- ", b"1. ", b"    ", b"|", b"|---|", b"[", b"](", b"**", b"__", b"---\n", b"{", b"}"),
    *(b".. ", b"::", b".. include:: /etc/passwd\n", b".. raw:: html\n\n   ", b":a:`b`", b"|a|", b"`_", b"+---+"),
    *(b"----\n", b"|===\n", b"====\n", b"include::/etc/passwd[]\n", b":a: {b}\n", b"{a}", b"****\n", b"[cols=9]\n"),
    *(b"import a\n", b"export const a\n", b"<A b={c}>", b"{/*", b"*/}", b'"', b'""', b";", b",", b"\\", b"'"),
    *(b"Content-Type: multipart/mixed; boundary=edge\n", b"--edge\n", b"--edge--\n", b"=?utf-8?b?4pc=?="),
    *(b"Content-Transfer-Encoding: base64\n", b"charset=hz\n", b"Content-Type: message/rfc822\n\n", b"From ", b"\r\n"),
    *(b"endobj", b"stream\n", b"endstream", b"/Kids [1 0 R]", b"/Length 99999999", b"/Filter /FlateDecode", b"1 0 R"),
    *(b"BT", b"ET", b"Tj", b"3 Tr", b"/Count 1000000", b"xref", b"<</Type/Page>>", b"PK\x03\x04", b"PK\x01\x02"),
]  # fmt: skip
MAX_BYTES = 400_000
Change = Callable[[bytearray, random.Random], None]


def mutated(data: bytes, others: list[bytes], dice: random.Random) -> bytes:
    """`data` after one to a dozen changes. An archive is mostly changed in its parts, which are packed
    anew, for a change of its packed bytes seldom gets past the unpacking."""
    if data.startswith(b"PK\x03\x04") and dice.random() < 0.85:
        return _repacked(data, dice)
    changed = bytearray(data)
    if dice.random() < 0.1 and others:
        _splice(changed, dice.choice(others), dice)
    _change(changed, dice)
    return bytes(changed[:MAX_BYTES])


def _change(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 1, 2, 3, 5, 12))):
        dice.choice(CHANGES)(data, dice)


def _place(data: bytearray, dice: random.Random) -> int:
    return dice.randrange(len(data) + 1)


def _flip(data: bytearray, dice: random.Random) -> None:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _set(data: bytearray, dice: random.Random) -> None:
    if data:
        data[dice.randrange(len(data))] = dice.randrange(256)


def _token(data: bytearray, dice: random.Random) -> None:
    at = _place(data, dice)
    data[at:at] = dice.choice(TOKENS)


def _many_tokens(data: bytearray, dice: random.Random) -> None:
    at = _place(data, dice)
    data[at:at] = dice.choice(TOKENS) * dice.choice((2, 7, 100, 3000))


def _cut(data: bytearray, dice: random.Random) -> None:
    del data[_place(data, dice) :]


def _drop(data: bytearray, dice: random.Random) -> None:
    at = _place(data, dice)
    del data[at : at + dice.choice((1, 2, 8, 100))]


def _double(data: bytearray, dice: random.Random) -> None:
    at, size = _place(data, dice), dice.choice((4, 40, 400))
    data[at:at] = data[at : at + size] * dice.choice((1, 1, 2, 50))


def _swap(data: bytearray, dice: random.Random) -> None:
    one, other, size = _place(data, dice), _place(data, dice), dice.choice((1, 4, 40))
    piece = data[one : one + size]
    data[one : one + size] = data[other : other + size]
    data[other : other + size] = piece


def _number(data: bytearray, dice: random.Random) -> None:
    """One of the digits becomes a large or negative number."""
    digits = [at for at, byte in enumerate(data[:20_000]) if 48 <= byte <= 57]
    if digits:
        at = dice.choice(digits)
        data[at : at + 1] = dice.choice((b"-1", b"0", b"65536", b"2147483648", b"99999999999999999999", b"1.5e300"))


CHANGES: tuple[Change, ...] = (
    _flip, _flip, _set, _token, _token, _token, _many_tokens, _cut, _drop, _drop, _double, _swap, _number, _number,
)  # fmt: skip


# An element without others inside it, and an attribute's value.
_LEAF = re.compile(rb"<([\w:]+)(?:\s[^<>]*)?(?:/>|>[^<>]*</\1>)")
_VALUE = re.compile(rb"=\"([^\"]*)\"")
_VALUES = (
    b"-1",
    b"0",
    b"99999999999",
    b"NaN",
    b"",
    b"true",
    b"x",
    b"#REF!",
    b"A1:XFD1048576",
    b"../../x",
    b"rId99",
    b"\xc3\xa9",
)


def _change_markup(data: bytearray, dice: random.Random) -> None:
    """One that leaves XML well-formed: a leaf doubled, left out or moved, or an attribute's value."""
    for _ in range(dice.choice((1, 2, 4))):
        kind = dice.randrange(4)
        found = list((_VALUE if kind == 0 else _LEAF).finditer(bytes(data)))
        if not found:
            return
        match = dice.choice(found)
        if kind == 0:
            data[match.start(1) : match.end(1)] = dice.choice(_VALUES)
        elif kind == 1:
            del data[match.start() : match.end()]
        elif kind == 2:
            data[match.start() : match.start()] = match.group() * dice.choice((1, 3, 2000))
        else:
            at = dice.choice(found).start()
            data[at:at] = match.group()


def _splice(data: bytearray, other: bytes, dice: random.Random) -> None:
    at, start = _place(data, dice), dice.randrange(len(other) + 1)
    data[at:at] = other[start : start + dice.choice((10, 100, 5000))]


def _repacked(data: bytes, dice: random.Random) -> bytes:
    """One or two of the parts changed, left out or stored twice."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, OSError, ValueError, EOFError):
        changed = bytearray(data)
        _change(changed, dice)
        return bytes(changed)
    for _ in range(dice.choice((1, 1, 2))):
        at = dice.randrange(len(parts))
        name, content = parts[at]
        if dice.random() < 0.05:
            del parts[at]
            if not parts:
                break
            continue
        changed = bytearray(content)
        (_change_markup if dice.random() < 0.8 else _change)(changed, dice)
        parts[at] = (name, bytes(changed[:MAX_BYTES]))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts:
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()
