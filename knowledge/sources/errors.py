"""What can go wrong with a source as a whole. Its articles stay as they are.

SourceError
├── SourceRefused       source_refused       the server wants a key, or another one (401, 403)
├── SourceNotFound      source_not_found     there is nothing at the address that the settings name
├── SourceUnavailable   source_unavailable   the server has a fault (5xx), or too many pages cannot be had
├── SourceEmpty         source_empty         it listed articles before, and now none
├── SourceUnreadable    source_unreadable    what it answered is not what its kind answers
├── RobotsRefuse        robots_refuse        its robots.txt asks us to stay away, or cannot be had
└── SettingsWrong       settings_wrong       the settings are not, or no longer, those of its kind
"""

from __future__ import annotations


class SourceError(Exception):
    """Base of all; `detail` may name an address of the source, and never a key."""

    code = "source_failed"
    hint = "Look at the detail and at the source's settings."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.code)
        self.detail = detail


class SourceRefused(SourceError):
    code = "source_refused"
    hint = "The server does not let us in. Enter a key that may read the articles."


class SourceNotFound(SourceError):
    code = "source_not_found"
    hint = "There is nothing at this address. Correct it in the source's settings."


class SourceUnavailable(SourceError):
    code = "source_unavailable"
    hint = "The server has a fault. It is tried again by itself; all articles stay meanwhile."


class SourceEmpty(SourceError):
    code = "source_empty"
    hint = "It lists no article any more. If that is meant, retire the source."


class SourceUnreadable(SourceError):
    code = "source_unreadable"
    hint = "The answer is not of this kind of source. Check the address and the kind."


class RobotsRefuse(SourceError):
    code = "robots_refuse"
    hint = "The site's robots.txt asks programs to stay away. Allow the user agent Citedesk there."


class SettingsWrong(SourceError):
    code = "settings_wrong"
    hint = "Correct the source's settings."


class Wait(Exception):
    """No failure: the server asks us to come back after so many seconds (429, 503 with Retry-After)."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"asked to wait {seconds:.0f} s")
        self.seconds = seconds
