"""Chromium against the real server.

One Chromium serves all tests, each in profiles of its own, so they share one event loop: a module
of browser tests begins with `pytestmark = BROWSER`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from django.test import AsyncClient
from playwright.async_api import Browser, Page, Request, async_playwright

from tests.conftest import PASSWORD, TestDatabase

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BROWSER = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
PATIENCE = 20_000  # ms for one step; the cores are shared
SignIn = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def sign_in(live_db: TestDatabase, site: str, chromium: Browser) -> AsyncIterator[SignIn]:
    """`await sign_in("adam", "/t/acme/desk/")`: the page, in a browser profile of its own. A page
    that reports an error, or asks a foreign host for anything, fails its test."""
    wrong: list[str] = []

    def notice(request: Request) -> None:
        if not request.url.startswith((site, site.replace("http", "ws", 1), "data:", "blob:")):
            wrong.append(f"asked {request.url}")

    async def enter(name: str, path: str, **options: Any) -> Page:
        client = AsyncClient()
        assert await client.alogin(email=f"{name}@example.com", password=PASSWORD)
        context = await chromium.new_context(base_url=site, **options)
        cookie = client.cookies["sessionid"].value
        await context.add_cookies([{"name": "sessionid", "value": cookie, "url": site}])
        page = await context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", notice)
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
        await page.goto(path)
        return page

    yield enter
    for context in chromium.contexts:
        await context.close()
    assert wrong == []
