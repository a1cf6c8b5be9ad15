"""E-mail: who wrote what to whom and when, the body, and what is attached."""

from __future__ import annotations

import email.generator
import email.policy
from collections.abc import Callable
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any

from knowledge.converters.decoding import decode
from knowledge.converters.draft import DocumentDraft
from knowledge.converters.html import write_fragment
from knowledge.converters.text import write_text
from knowledge.errors import ConversionFailed, KnowledgeError, TooComplex
from knowledge.types import BlockKind, ConvertedDocument

MAX_PARTS = 500
MAX_ATTACHMENTS = 50
MAX_FIELD = 4000  # characters of a header that are looked at: Python's parser is quadratic in them
UNREAD_ATTACHMENT = "attachment_not_read"

_SHOWN = ("From", "To", "Cc", "Date")
# What the parser's header code raises for headers that no mail program writes.
_DAMAGED = (MessageError, ValueError, LookupError, AttributeError, TypeError, AssertionError, ArithmeticError)

Convert = Callable[..., ConvertedDocument]


if TYPE_CHECKING:  # the class itself takes no parameter
    _Policy = email.policy.EmailPolicy[EmailMessage]
else:
    _Policy = email.policy.EmailPolicy


class _Bounded(_Policy):
    def header_fetch_parse(self, name: str, value: str) -> Any:
        return super().header_fetch_parse(name, value[:MAX_FIELD])


_POLICY = _Bounded()


def convert_eml(data: bytes, *, name: str, attachments: Convert | None = None) -> ConvertedDocument:
    """Attachments of formats that `attachments` reads follow the body, each below a heading with its
    name; the others, and mails within the mail's own attachments, are listed by name alone, with a
    warning. Raises ConversionFailed, TooComplex, EmptyDocument, DocumentTooLarge."""
    draft = DocumentDraft()
    if b"\x00" in data[:200]:  # saved as UTF-16, which is no mail but reads as one
        data = decode(data).encode("utf-8", "replace")
    try:
        message = BytesParser(EmailMessage, policy=_POLICY).parsebytes(data)
        parts = list(_parts(message))
        subject, lines = _header(message)
        if subject:
            draft.add(BlockKind.HEADING, subject, level=1)
        draft.add(BlockKind.PARAGRAPH, "\n".join(lines))
        body = _body(parts)
        if body is not None:
            _write_body(body, draft)
        attached = [part for part in parts if part is not body and _is_attached(part)]
        for part in attached[:MAX_ATTACHMENTS]:
            _write_attachment(part, draft, attachments)
    except RecursionError as error:
        raise TooComplex("parts nested deeper than the parser can follow") from error
    except _DAMAGED as error:
        raise ConversionFailed("the message cannot be read") from error
    if len(attached) > MAX_ATTACHMENTS:
        draft.warn(UNREAD_ATTACHMENT)
    return draft.finish(name=name, title=subject)


def _parts(message: EmailMessage) -> list[EmailMessage]:
    """Those with content, in order; a message within the message is one part."""
    found: list[EmailMessage] = []
    stack: list[EmailMessage] = [message]
    while stack:
        part = stack.pop()
        inner = part.get_payload()
        if part.is_multipart() and part.get_content_type() != "message/rfc822" and isinstance(inner, list):
            stack.extend(each for each in reversed(inner) if isinstance(each, EmailMessage))
        else:
            found.append(part)
        if len(found) + len(stack) > MAX_PARTS:
            raise TooComplex(f"more than {MAX_PARTS} parts")
    return found


def _header(message: EmailMessage) -> tuple[str, list[str]]:
    said = [(name, " ".join(_field(message, name).split())[:1000]) for name in ("Subject", *_SHOWN)]
    return said[0][1], [f"{name}: {value}" for name, value in said[1:] if value]


def _field(message: EmailMessage, name: str) -> str:
    """As it was meant, or as it stands there where Python's parser gives up."""
    try:
        return str(message.get(name, ""))
    except _DAMAGED:
        return next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")


def _is_attached(part: EmailMessage) -> bool:
    """What a mail program shows as a file; pictures within the text are none."""
    if part.get_content_disposition() == "inline" and part.get_content_maintype() == "image":
        return False
    return part.is_attachment() or bool(part.get_filename()) or part.get_content_type() == "message/rfc822"


def _body(parts: list[EmailMessage]) -> EmailMessage | None:
    """Plain text where it says something, else HTML."""
    written = [part for part in parts if not _is_attached(part)]
    for kind in ("text/plain", "text/html"):
        for part in written:
            if part.get_content_type() == kind and _bytes(part).strip():
                return part
    return None


def _write_body(body: EmailMessage, draft: DocumentDraft) -> None:
    charset = body.get_content_charset("")
    text = _text(_bytes(body), charset)
    if body.get_content_type() == "text/html":
        write_fragment(text, draft)
    else:
        write_text(text, draft)


def _text(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset or "utf-8")
    except (LookupError, UnicodeDecodeError):
        return decode(content)


def _bytes(part: EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _write_attachment(part: EmailMessage, draft: DocumentDraft, attachments: Convert | None) -> None:
    forwarded = part.get_content_type() == "message/rfc822"
    inner = part.get_payload()
    if forwarded and isinstance(inner, list) and inner and isinstance(inner[0], EmailMessage):
        name, data = f"{inner[0].get('Subject') or 'message'}.eml", inner[0].as_bytes()
    else:
        name, data = str(part.get_filename() or "attachment"), _bytes(part)
    draft.add(BlockKind.HEADING, f"Attachment: {name[:200]}", level=2)
    if attachments is None:
        draft.warn(UNREAD_ATTACHMENT)
        return
    try:
        draft.append(attachments(data, name=name))
    except KnowledgeError:
        draft.warn(UNREAD_ATTACHMENT)
