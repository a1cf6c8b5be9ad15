"""What can go wrong between an address and its bytes.

FetchError
├── AddressRefused    address_refused    not an address that we may fetch: spelling, port, network
├── NotReached        not_reached        no such name, nobody answers, or a certificate that is not the name's
├── FetchTimedOut     fetch_timed_out    the whole took longer than it may
├── FetchTooLarge     fetch_too_large    more bytes than we take, or far more unpacked than sent
├── TooManyRedirects  too_many_redirects it was sent on and on, or in a circle
└── BadResponse       bad_response       what came back is no HTTP, or in an encoding we did not ask for

Statuses are no errors here: what a 404 means is for whoever asked to say.
"""

from __future__ import annotations


class FetchError(Exception):
    """Base of all; `detail` names hosts and limits, never a header or a body."""

    code = "fetch_failed"
    retryable = True
    hint = "Open the address in a browser. If it opens there, try again later."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.code)
        self.detail = detail


class AddressRefused(FetchError):
    code = "address_refused"
    retryable = False
    hint = "Only public http and https addresses are fetched. The operator can list a host of your own network."


class NotReached(FetchError):
    code = "not_reached"
    hint = "Check the host's name and certificate, and that it can be reached from the internet."


class FetchTimedOut(FetchError):
    code = "fetch_timed_out"
    hint = "The server takes too long to answer. Try again later, or upload the document."


class FetchTooLarge(FetchError):
    code = "fetch_too_large"
    retryable = False
    hint = "The document is larger than is taken in. Split it, or exclude its address."


class TooManyRedirects(FetchError):
    code = "too_many_redirects"
    retryable = False
    hint = "The address leads in a circle. Enter the one that the browser ends at."


class BadResponse(FetchError):
    code = "bad_response"
    hint = "The server's answer could not be read. Its administrator can tell why."
