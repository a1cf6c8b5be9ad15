"""What can go wrong between us and a model. Nobody upstream guesses from a status code.

GatewayError
├── BudgetExceeded        budget_exceeded        the tenant's, user's or purpose's money is spent
├── LimitExceeded         limit_exceeded         too much a minute; retryable, after `retry_after` seconds
├── UnpricedModel         unpriced_model         the profile has no price, so no budget can hold it
├── UnknownModel          unknown_model          no such profile
├── NoCandidate           no_candidate           nothing is configured that may take this call
├── ProviderNotAllowed    provider_not_allowed   the policy lets no text go to that provider or region
├── TaskOff               task_off               the policy lets no language model do this task
├── Unsupported           unsupported            the model cannot do what is asked, by its profile
├── BatchExpired          batch_expired          the provider had no time for it within the batch's window
├── BatchCancelled        batch_cancelled        its batch was cancelled before the provider came to it
├── Erased                erased                 the person whose words it holds was erased meanwhile
├── RedactionFailed       redaction_failed       personal data could not be looked for, so nothing was sent
└── ProviderError
    ├── ConnectionFailed      connection_failed      retryable: nothing was reached
    ├── ProviderTimeout       provider_timeout       `phase` connect (retryable), first_token, stall or total
    ├── CircuitOpen           circuit_open           not asked: the model failed too often a moment ago
    ├── RateLimited           rate_limited           retryable
    ├── Overloaded            overloaded             retryable: 5xx, 529
    ├── StreamBroken          stream_broken          retryable: cut, malformed, or an error event
    ├── QuotaExhausted        quota_exhausted        the provider's account has no money
    ├── InvalidCredentials    invalid_credentials    key wrong, revoked or without the right
    ├── CredentialsUnavailable  credentials_unavailable  not asked: where the key comes from does not answer
    ├── InvalidRequest        invalid_request        the provider refused the request as malformed
    ├── ContextTooLong        context_too_long       more tokens than the model takes
    ├── ContentRefused        content_refused        blocked before any text
    ├── InvalidOutput         invalid_output         no JSON as the schema wants it, beyond repair
    ├── WrongDimensions       wrong_dimensions       vectors of another size than the index holds
    └── NotInstalled          not_installed          the provider's SDK is an extra that is missing

`retryable` says that the same call may succeed later on the same provider. Whether another
provider is tried is `fallback`: everything of the provider's own making. `retry_after` is how many
seconds the provider asks to be left alone.
"""

from __future__ import annotations


class GatewayError(Exception):
    """Base of all; `detail` is safe to show to an admin and never holds a key."""

    code = "gateway_error"
    retryable = False
    fallback = False

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.code)
        self.detail = detail


class BudgetExceeded(GatewayError):
    code = "budget_exceeded"


class LimitExceeded(GatewayError):
    """Of ours: the provider was not asked. Another one may be, where the limit is of its key."""

    code = "limit_exceeded"
    retryable = True

    def __init__(self, detail: str = "", *, retry_after: float) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class UnpricedModel(GatewayError):
    code = "unpriced_model"


class UnknownModel(GatewayError):
    code = "unknown_model"


class NoCandidate(GatewayError):
    code = "no_candidate"


class ProviderNotAllowed(GatewayError):
    code = "provider_not_allowed"


class TaskOff(GatewayError):
    code = "task_off"


class Unsupported(GatewayError):
    code = "unsupported"
    fallback = True


class RedactionFailed(GatewayError):
    """Not left to another candidate: what cannot be read through is a fault to be seen."""

    code = "redaction_failed"


class BatchExpired(GatewayError):
    code = "batch_expired"


class BatchCancelled(GatewayError):
    code = "batch_cancelled"


class Erased(GatewayError):
    code = "erased"


class ProviderError(GatewayError):
    """The provider's doing. `status` is the HTTP status where there was one."""

    code = "provider_error"
    fallback = True

    def __init__(self, detail: str = "", *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.status, self.retry_after = status, retry_after


class ConnectionFailed(ProviderError):
    code = "connection_failed"
    retryable = True


class ProviderTimeout(ProviderError):
    """Only a failed connection is tried again: whoever waited for a token has waited long enough,
    and the next candidate is the better chance."""

    code = "provider_timeout"

    def __init__(self, detail: str = "", *, phase: str = "total") -> None:
        super().__init__(detail or f"no answer in time ({phase})")
        self.phase = phase
        self.retryable = phase == "connect"


class CircuitOpen(ProviderError):
    """Nothing was sent. `retry_after` is when a call may try again."""

    code = "circuit_open"


class RateLimited(ProviderError):
    code = "rate_limited"
    retryable = True


class Overloaded(ProviderError):
    code = "overloaded"
    retryable = True


class StreamBroken(ProviderError):
    code = "stream_broken"
    retryable = True


class QuotaExhausted(ProviderError):
    code = "quota_exhausted"


class InvalidCredentials(ProviderError):
    """`revoked` says that the provider knows no such key. Otherwise what is missing may be a right, or this
    request's alone."""

    code = "invalid_credentials"

    def __init__(self, detail: str = "", *, status: int | None = None, revoked: bool = False) -> None:
        super().__init__(detail, status=status)
        self.revoked = revoked


class CredentialsUnavailable(ProviderError):
    """Vault's or an identity service's failing, and so no sign of the model's health. Who keeps the key asks
    again after a pause of its own, so a call does not."""

    code = "credentials_unavailable"


class InvalidRequest(ProviderError):
    code = "invalid_request"


class ContextTooLong(ProviderError):
    code = "context_too_long"


class ContentRefused(ProviderError):
    code = "content_refused"


class InvalidOutput(ProviderError):
    code = "invalid_output"


class WrongDimensions(ProviderError):
    code = "wrong_dimensions"


class NotInstalled(ProviderError):
    code = "not_installed"
