"""What can go wrong between a file and its passages. Each is a code that the row keeps and a hint for its owner.

KnowledgeError
├── UnsupportedFormat     unsupported_format     not a kind of file that is read here
├── EmptyDocument         empty_document         nothing in it, or nothing left once it was cleaned
├── NoTextFound           no_text_found          pages without a text layer: a scan
├── EncryptedDocument     encrypted_document     a password is needed
├── DocumentTooLarge      document_too_large     more bytes, pages or text than the limits
├── ConversionFailed      conversion_failed      damaged, or not what it says it is
├── DocumentBomb          document_bomb          unpacks to far more than its size
└── TooComplex            too_complex            nested or repeated beyond what a person would write

None succeeds on a second try with the same bytes, so `retryable` is False throughout; a subclass
added for something that passes (a worker lost, say) sets it.
"""

from __future__ import annotations


class KnowledgeError(Exception):
    """Base of all; `detail` is for the log and holds none of the document's text, `hint` is what to do about it."""

    code = "knowledge_error"
    retryable = False
    hint = "Try again, and tell your administrator if it stays."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.code)
        self.detail = detail


class UnsupportedFormat(KnowledgeError):
    code = "unsupported_format"
    hint = "Upload Markdown, HTML, plain text, PDF or DOCX."


class EmptyDocument(KnowledgeError):
    code = "empty_document"
    hint = "The file holds no text. Check that the right file was chosen."


class NoTextFound(KnowledgeError):
    code = "no_text_found"
    hint = "The pages are pictures. Run text recognition (OCR) over the file and upload the result."


class EncryptedDocument(KnowledgeError):
    code = "encrypted_document"
    hint = "Remove the password and upload the file again."


class DocumentTooLarge(KnowledgeError):
    code = "document_too_large"
    hint = "Split the document into smaller files."


class ConversionFailed(KnowledgeError):
    code = "conversion_failed"
    hint = "The file is damaged. Open it, save it anew and upload that copy."


class DocumentBomb(KnowledgeError):
    code = "document_bomb"
    hint = "The file unpacks to far more than its size. Save it anew from the program that wrote it."


class TooComplex(KnowledgeError):
    code = "too_complex"
    hint = "The file is nested too deeply. Simplify its layout and upload it again."
