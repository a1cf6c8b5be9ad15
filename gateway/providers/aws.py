"""boto3 with its connections on the event loop.

boto3 is synchronous: it blocks a thread, and nothing can interrupt a thread that waits for a byte.
Here it does what it does best, in a thread of a bounded pool: it finds credentials, validates,
signs, and reads errors. The request itself is made on the event loop, where it can be cancelled and
closed at any moment, and a stream holds no thread at all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gateway.errors import (
    ConnectionFailed,
    InvalidCredentials,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    StreamBroken,
)
from gateway.providers.errors import RULES, broken, decided, safe
from gateway.providers.exchange import extra, http_client
from gateway.providers.waiting import retry_after
from gateway.types import JSON

if TYPE_CHECKING:
    import httpx2

THREADS = 32  # each is held until the response's head is there
CODES = {
    "throttlingexception": "rate_limit_error",
    "servicequotaexceededexception": "quota_exceeded",
    "accessdeniedexception": "permission_error",
    "unrecognizedclientexception": "authentication_error",
    "invalidsignatureexception": "authentication_error",
    "expiredtokenexception": "authentication_error",
    "expiredtoken": "authentication_error",
    "invalidclienttokenid": "authentication_error",
    "invalidtokenexception": "authentication_error",
    "modelnotreadyexception": "overloaded_error",
    "modeltimeoutexception": "timeout_error",
    "modelerrorexception": "overloaded_error",
    "internalserverexception": "overloaded_error",
    "modelstreamerrorexception": "overloaded_error",
    "serviceunavailableexception": "service_unavailable",
    "validationexception": "invalid_request_error",
    "resourcenotfoundexception": "not_found_error",
}


@dataclass(frozen=True)
class AwsAccess:
    """Where, and as whom. Without a key boto3 looks for credentials as it always does: environment,
    profile, web identity, the machine's role."""

    region: str
    url: str = ""
    key_id: str = ""
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


class Aws:
    """One region's Bedrock runtime."""

    def __init__(self, access: AwsAccess) -> None:
        self._access = access

    async def request(self, operation: str, parameters: JSON, timeout: httpx2.Timeout) -> httpx2.Response:
        """The response, of which the head has been read. Raises what boto3 and the HTTP client raise."""
        sending = _Sending(asyncio.get_running_loop(), self._http, timeout)
        context = copy_context()
        context.run(_current.set, sending)
        try:
            await sending.loop.run_in_executor(self._threads, context.run, self._call, operation, parameters)
        except (AttributeError, KeyError, TypeError) as error:  # an error's body of another shape than AWS's
            await sending.close()
            raise decided(sending.status, frozenset(), type(error).__name__, "") from error
        except BaseException:
            await sending.close()
            raise
        assert sending.response is not None, "boto3 returns after a response"
        return sending.response

    async def aclose(self) -> None:
        if "_http" in self.__dict__:
            await self._http.aclose()
        if "_threads" in self.__dict__:
            self._threads.shutdown(wait=False)

    @cached_property
    def _http(self) -> httpx2.AsyncClient:
        return http_client()

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(THREADS, thread_name_prefix="bedrock")

    @cached_property
    def _client(self) -> Any:
        with extra("bedrock"):
            import boto3
            from botocore.config import Config
        access = self._access
        client = boto3.Session().client(
            "bedrock-runtime",
            region_name=access.region,
            # Always given, or boto3 would take one from the environment.
            endpoint_url=access.url or f"https://bedrock-runtime.{access.region}.amazonaws.com",
            aws_access_key_id=access.key_id or None,
            aws_secret_access_key=access.secret or None,
            aws_session_token=access.token or None,
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
        )
        client.meta.events.register("before-send.bedrock-runtime", _send)
        return client

    def _call(self, operation: str, parameters: JSON) -> None:
        getattr(self._client, operation)(**parameters)


class _Sending:
    """One request on its way. Made on the loop; `send` is called in boto3's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, http: httpx2.AsyncClient, timeout: httpx2.Timeout) -> None:
        self.loop, self._http, self._timeout = loop, http, timeout
        self.response: httpx2.Response | None = None
        self._pending: Future[Any] | None = None
        self._closed = False

    @property
    def status(self) -> int | None:
        return self.response.status_code if self.response is not None else None

    def send(self, request: Any) -> httpx2.Response:
        response: httpx2.Response = self._wait(self._send(request))
        return response

    def read(self) -> bytes:
        """The whole body, of an error."""
        assert self.response is not None, "there is a body after the head"
        body: bytes = self._wait(self.response.aread())
        return body

    async def close(self) -> None:
        self._closed = True
        if self._pending is not None:
            self._pending.cancel()
        if self.response is not None:
            await self.response.aclose()

    def _wait(self, work: Any) -> Any:
        self._pending = asyncio.run_coroutine_threadsafe(work, self.loop)
        if self._closed:
            self._pending.cancel()
        return self._pending.result()

    async def _send(self, request: Any) -> httpx2.Response:
        headers = [(name, _text(value)) for name, value in request.headers.items()]
        built = self._http.build_request(
            request.method,
            request.url,
            headers=[*headers, ("Accept-Encoding", "identity")],
            content=request.body,
            timeout=self._timeout,
        )
        self.response = await self._http.send(built, stream=True)
        return self.response


class _Body:
    """What boto3 reads of a response: the body of an error, and of nothing else."""

    def __init__(self, sending: _Sending) -> None:
        self._sending = sending

    def stream(self) -> Iterator[bytes]:
        yield self._sending.read()

    def close(self) -> None:
        """The loop closes it."""


_current: ContextVar[_Sending] = ContextVar("sending")


def _send(request: Any, **_event: Any) -> Any:
    from botocore.awsrequest import AWSResponse

    sending = _current.get()
    response = sending.send(request)
    return AWSResponse(str(request.url), response.status_code, dict(response.headers), _Body(sending))


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


class Frames:
    """The messages of an event stream as (kind, name, payload), each checked by its CRC."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._messages = self._read()

    def __aiter__(self) -> AsyncIterator[tuple[str, str, JSON]]:
        return self._messages

    async def close(self) -> None:
        await self._messages.aclose()
        await self._response.aclose()

    async def _read(self) -> AsyncGenerator[tuple[str, str, JSON], None]:
        from botocore.eventstream import EventStreamBuffer

        buffer = EventStreamBuffer()
        async for chunk in self._response.aiter_raw():
            buffer.add_data(chunk)
            for message in buffer:
                kind = str(message.headers.get(":message-type", ""))
                name = message.headers.get(":event-type") or message.headers.get(":exception-type")
                yield kind, str(name or message.headers.get(":error-code") or ""), json.loads(message.payload or b"{}")


def aws_errors() -> tuple[type[Exception], ...]:
    """The roots of the SDK's errors, imported when they are first needed."""
    with extra("bedrock"):
        from botocore.eventstream import ParserError
        from botocore.exceptions import BotoCoreError, ClientError, UndefinedModelAttributeError
    return (BotoCoreError, ClientError, ParserError, UndefinedModelAttributeError)


def reported_by_aws(name: str, payload: JSON, secret: str) -> ProviderError:
    """An exception inside a stream that began well (V3)."""
    return decided(None, _codes(name), str(payload.get("message") or payload.get("Message") or ""), secret)


def _codes(name: str) -> frozenset[str]:
    return frozenset({name, CODES.get(name.lower(), "")})


def _client_error(error: Any, secret: str) -> ProviderError:
    said = error.response.get("Error", {})
    head = error.response.get("ResponseMetadata", {})
    status = head.get("HTTPStatusCode")
    wait = retry_after(head.get("HTTPHeaders", {}))
    return decided(status, _codes(str(said.get("Code", ""))), str(said.get("Message", "")), secret, wait=wait)


def _credentials(error: BaseException, secret: str) -> ProviderError:
    return InvalidCredentials(safe(str(error), secret))


def _unreached(error: BaseException, secret: str) -> ProviderError:
    return ConnectionFailed(safe(str(error), secret))


AWS_RULES = {
    **RULES,
    "ClientError": _client_error,
    "ParserError": lambda error, secret: StreamBroken(f"the event stream is damaged: {type(error).__name__}"),
    "ConnectionError": _unreached,
    "HTTPClientError": broken,
    "ConnectTimeoutError": lambda error, secret: ProviderTimeout(phase="connect"),
    "ReadTimeoutError": lambda error, secret: ProviderTimeout(phase="stall"),
    "IncompleteReadError": broken,
    "ChecksumError": broken,
    "FlexibleChecksumError": broken,
    "CapacityNotAvailableError": lambda error, secret: Overloaded(safe(str(error), secret)),
    "NoCredentialsError": _credentials,
    "PartialCredentialsError": _credentials,
    "CredentialRetrievalError": _credentials,
    "UnknownCredentialError": _credentials,
    "MetadataRetrievalError": _credentials,
    "NoAuthTokenError": _credentials,
    "TokenRetrievalError": _credentials,
    "UnknownTokenProviderError": _credentials,
    "RefreshWithMFAUnsupportedError": _credentials,
    "ProfileNotFound": _credentials,
    "SSOError": _credentials,
    "LoginError": _credentials,
    "BotoCoreError": RULES["OpenAIError"],
    "UndefinedModelAttributeError": RULES["OpenAIError"],
}
