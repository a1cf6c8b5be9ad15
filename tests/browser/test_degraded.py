"""What a customer sees in Chromium when no language model can be reached."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from playwright.async_api import Page, expect

from gateway import retry
from gateway.errors import Overloaded
from gateway.providers.extractive import ExtractiveProvider
from tests.browser.conftest import BROWSER, SignIn
from tests.browser.test_portal import ARTICLES, asked
from tests.conftest import Cast
from tests.contracts.cases import CHAT
from tests.servers.wire import failure, serving

pytestmark = [*BROWSER, pytest.mark.threat("V9")]
NOTICES = (".when-extractive", ".when-quoted-instead", ".when-pointed-instead", ".when-searched")


@pytest.fixture
def known(learn: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    learn(*ARTICLES)
    monkeypatch.setattr(retry, "FIRST_BOUND", 0.01)


async def seen(page: Page) -> list[str]:
    """Which of the notices the last answer shows."""
    turn = page.locator(".turn").last
    return [notice for notice in NOTICES if await turn.locator(notice).is_visible()]


@pytest.mark.parametrize("quotes", [True, False])
async def test_an_answer_says_what_it_is_now_and_after_a_reload(
    quotes: bool, cast: Cast, known: None, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise Overloaded("the embedding model is down")

    if not quotes:
        monkeypatch.setattr(ExtractiveProvider, "_choose", fail)
    expected = [".when-quoted-instead"] if quotes else [".when-pointed-instead"]
    async with serving(failure(503, CHAT.error(503, "service_unavailable", "down"))) as server:
        conf = dataclasses.replace(
            settings.GATEWAY, openai_key="sk-test", openai_url=f"{server.url}/v1", answer_models=("gpt-6-luna",)
        )
        monkeypatch.setattr(settings, "GATEWAY", conf)
        page = await sign_in("alice", "/t/acme/")
        await asked(page)
        assert server.requests
        assert await seen(page) == expected
        await page.reload()
        assert await seen(page) == expected
        if not quotes:
            await expect(page.locator(".turn .nearest")).to_contain_text("Returning a lamp")
