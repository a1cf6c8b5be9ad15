"""What can go wrong between a file and its passages. Nobody upstream guesses from a message.

KnowledgeError
├── UnsupportedFormat   unsupported_format    the content is none of the formats that we read
├── EmptyDocument       empty_document        nothing in it: no bytes, or no text at all
├── NoTextFound         no_text_found         pages, but only pictures of text (a scan)
├── EncryptedDocument   encrypted_document    a password is needed to open it
├── DocumentTooLarge    document_too_large    more bytes, pages or characters than we take
├── ConversionFailed    conversion_failed     damaged or cut off: its own format cannot be read
├── DocumentBomb        document_bomb         unpacks to far more than it weighs; refused unopened
├── TooComplex          too_complex           nested deeper than any text that a person wrote
├── ConverterBroke      converter_broke       our converter has a fault that this document brings to light
├── ConversionTimeout   conversion_timeout    takes longer than a conversion may
├── ConversionMemory    conversion_memory     takes more memory than a conversion may
├── ConversionOutput    conversion_output     more text and structure comes out than we take
├── ConversionCrashed   conversion_crashed    the converting process died, or gave an answer that makes no sense
└── SandboxUnavailable  sandbox_unavailable   no process to convert in could be started; retryable

Others are not retryable: the same bytes fail the same way. `hint` tells an admin what to do about it.
"""

from __future__ import annotations


class KnowledgeError(Exception):
    """Base of all; `detail` is safe to show to an admin and never quotes the document's text."""

    code = "knowledge_error"
    retryable = False
    hint = "Look at the detail, correct the document and upload it again."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.code)
        self.detail = detail


class UnsupportedFormat(KnowledgeError):
    code = "unsupported_format"
    hint = "Save it as PDF, DOCX, PPTX, XLSX, HTML, Markdown or plain text and upload that."


class EmptyDocument(KnowledgeError):
    code = "empty_document"
    hint = "The file holds no text. Check that the right file was uploaded."


class NoTextFound(KnowledgeError):
    code = "no_text_found"
    hint = "The pages are pictures. Run text recognition (OCR) over the file and upload the result."


class EncryptedDocument(KnowledgeError):
    code = "encrypted_document"
    hint = "Remove the password in the program that made the file, then upload it again."


class DocumentTooLarge(KnowledgeError):
    code = "document_too_large"
    hint = "Split it into several documents and upload those."


class ConversionFailed(KnowledgeError):
    code = "conversion_failed"
    hint = "The file is damaged or incomplete. Open it in its own program, save it anew and upload that."


class DocumentBomb(KnowledgeError):
    code = "document_bomb"
    hint = "The file unpacks to far more than its size. Do not open it; ask its sender for a clean copy."


class TooComplex(KnowledgeError):
    code = "too_complex"
    hint = "The document is nested too deeply. Simplify its structure, or upload its text."


class ConverterBroke(KnowledgeError):
    code = "converter_broke"
    hint = "This is a fault of ours, not of the file. The log says where; report it, or upload another format."


class ConversionTimeout(KnowledgeError):
    code = "conversion_timeout"
    hint = "The file takes too long to read. Split it, or open it in its own program, save it anew and upload that."


class ConversionMemory(KnowledgeError):
    code = "conversion_memory"
    hint = "The file takes too much memory to read. Split it, or save it anew without its pictures and upload that."


class ConversionOutput(KnowledgeError):
    code = "conversion_output"
    hint = "Far more text comes out of the file than one document may have. Split it into several documents."


class ConversionCrashed(KnowledgeError):
    code = "conversion_crashed"
    hint = "The parser died of this file, which may be damaged or hostile. Save it anew in its own program."


class SandboxUnavailable(KnowledgeError):
    code = "sandbox_unavailable"
    retryable = True
    hint = "The server could not start a process to convert in. Its log says why; then index the document again."
