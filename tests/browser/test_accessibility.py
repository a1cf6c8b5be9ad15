"""The main pages as axe-core finds them, in both colour schemes and at a phone's width: no violation
that it calls serious or critical.

Does not catch: what only people can judge, such as whether a name says what a button does.
"""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import BROWSER, SignIn
from tests.browser.test_desk import DESK, drafted
from tests.browser.test_portal import asked, known
from tests.conftest import Cast

__all__ = ["drafted", "known"]  # fixtures

pytestmark = BROWSER
SCREENS = [
    pytest.param({"color_scheme": "light", "viewport": {"width": 1440, "height": 900}}, id="light-1440"),
    pytest.param({"color_scheme": "dark", "viewport": {"width": 390, "height": 844}}, id="dark-390"),
]


async def faults(page: Page) -> list[str]:
    """Serious and critical violations, each with its first element."""
    found = (await Axe().run(page)).response["violations"]
    grave = [each for each in found if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]} {each['nodes'][0]['failureSummary']}" for each in grave]


@pytest.mark.parametrize("screen", SCREENS)
async def test_the_portal(cast: Cast, known: None, sign_in: SignIn, screen: dict[str, object]) -> None:
    page = await sign_in("alice", "/t/acme/", **screen)
    assert await faults(page) == [], "the empty page"
    await asked(page)
    assert await faults(page) == [], "an answer"
    await page.locator(".turn .source-title").first.click()
    await expect(page.locator("#pane-body article")).to_be_visible()
    assert await faults(page) == [], "the article beside it"
    await page.click("#pane-close")
    await asked(page, "Who won the football cup in 1987?")
    await expect(page.locator(".turn").last).to_have_attribute("data-status", "abstained")
    assert await faults(page) == [], "no answer"
    await page.goto("/t/acme/person/")
    assert await faults(page) == [], "the form to a person"


@pytest.mark.parametrize("screen", SCREENS)
async def test_requests_and_the_desk(cast: Cast, drafted: str, sign_in: SignIn, screen: dict[str, object]) -> None:
    page = await sign_in("alice", "/t/acme/tickets/", **screen)
    assert await faults(page) == [], "the requests"
    await page.goto("/t/acme/tickets/1/")
    assert await faults(page) == [], "one request"
    page = await sign_in("adam", "/t/acme/desk/", **screen)
    assert await faults(page) == [], "the desk"
    await page.goto(DESK)
    assert await faults(page) == [], "a ticket with its draft"
    await page.locator("#text").blur()
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_be_visible()
    assert await faults(page) == [], "the list of keys"


@pytest.mark.parametrize("screen", SCREENS)
async def test_signing_in(cast: Cast, site: str, chromium: Browser, screen: dict[str, object]) -> None:
    context = await chromium.new_context(base_url=site, **screen)  # type: ignore[arg-type]
    page = await context.new_page()
    for path in ("/accounts/login/", "/accounts/password/reset/", "/accounts/signup/", "/nothing-here/"):
        await page.goto(path)
        assert await faults(page) == [], path
    await context.close()
