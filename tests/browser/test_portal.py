"""The customer's main path in Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

from accounts.tenancy import in_tenant
from assistant.events import Delta, Event
from assistant.pipeline import answer as flow
from tests.browser.conftest import BROWSER, SignIn
from tests.conftest import PASSWORD, Cast
from tickets.models import Ticket

pytestmark = BROWSER
QUESTION = "How long do I have to return a lamp?"
ARTICLES = (
    (
        "Returning a lamp",
        "You can return a lamp within 30 days of delivery. Pack it in its box and keep the receipt.",
    ),
    ("Delivery of lamps", "Lamps are delivered in four working days. Large lamps take one day more."),
)


@pytest.fixture
def known(learn: Callable[..., None]) -> None:
    learn(*ARTICLES)


@pytest.fixture
def priced(learn: Callable[..., None]) -> None:
    learn(("Plans and lamps", "| Plan | Lamps |\n|---|---|\n| Free | 2 |\n| Studio | 40 |"))


async def asked(page: Page, question: str = QUESTION) -> None:
    await page.fill("#question", question)
    await page.press("#question", "Enter")
    await expect(page.locator(".turn").last).not_to_have_attribute("data-status", "streaming")


async def test_an_answer_is_the_same_after_a_reload(cast: Cast, known: None, sign_in: SignIn) -> None:
    page = await sign_in("alice", "/t/acme/")
    await asked(page)
    turn = page.locator(".turn").last
    await expect(turn).to_have_attribute("data-status", "answered")
    await expect(turn.locator(".prose")).to_contain_text("30 days")
    spoken = await shown(page)
    assert spoken["marks"]
    assert "/c/" in page.url
    await page.reload()
    assert await shown(page) == spoken


async def shown(page: Page) -> dict[str, Any]:
    """What a reader sees of the last answer: words, marks and sources, without white space between."""
    return dict(
        await page.locator(".turn").last.evaluate(
            """turn => ({
                text: turn.querySelector(".prose").textContent.replace(/\\s+/g, " ").trim(),
                marks: [...turn.querySelectorAll(".prose .mark")]
                    .map(mark => [mark.textContent, mark.getAttribute("href"), mark.dataset.quote]),
                sources: [...turn.querySelectorAll(".source a")].map(a => [a.textContent, a.getAttribute("href")]),
            })"""
        )
    )


async def test_a_citation_opens_the_article_at_the_quoted_words(cast: Cast, known: None, sign_in: SignIn) -> None:
    page = await sign_in("alice", "/t/acme/")
    await asked(page)
    mark = page.locator(".turn .prose .mark").first
    quote = await mark.get_attribute("data-quote")
    await mark.hover()
    await expect(page.locator("#quote-text")).to_have_text(quote or "")
    await mark.click()
    await expect(page.locator("#pane-body mark#quote")).to_have_text(quote or "")
    await expect(page.locator("#pane-body mark#quote")).to_be_in_viewport()
    await expect(page.locator(".turn .prose")).to_be_visible()  # beside the answer, not in its place
    await page.keyboard.press("Escape")
    await expect(page.locator("#pane")).to_be_hidden()


async def test_stop_keeps_what_was_written(
    cast: Cast, known: None, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, closed = asyncio.get_running_loop(), asyncio.Event()

    async def endless(request: Any, outcome: Any) -> AsyncGenerator[Event, None]:
        yield Delta("A lamp can ")
        try:
            await asyncio.Event().wait()
        finally:
            loop.call_soon_threadsafe(closed.set)

    monkeypatch.setattr(flow, "compose", endless)
    page = await sign_in("alice", "/t/acme/")
    await page.fill("#question", QUESTION)
    await page.press("#question", "Enter")
    await expect(page.locator(".turn .prose")).to_contain_text("A lamp can")
    await page.click("#stop")
    await expect(page.locator(".turn")).to_have_attribute("data-status", "stopped")
    await expect(page.locator(".turn .when-stopped")).to_be_visible()
    await asyncio.wait_for(closed.wait(), 10)


async def test_talking_to_a_person_gives_a_numbered_request(cast: Cast, known: None, sign_in: SignIn) -> None:
    page = await sign_in("alice", "/t/acme/")
    await asked(page)
    await page.click("#person-form button")
    await expect(page.locator(".messages")).to_contain_text("A person will answer you")
    await expect(page.locator(".with-person")).to_contain_text("request #1")
    await expect(page.locator(".with-person")).to_contain_text("Waits for our answer")
    await expect(page.get_by_role("button", name="Talk to a person")).to_have_count(0)
    await page.click(".with-person a")
    await expect(page.locator("h1")).to_contain_text(QUESTION)
    await expect(page.locator(".entry.assistant")).to_contain_text("30 days")
    await page.locator(".entry.assistant .prose .mark").first.click()
    await expect(page.locator("#pane-body mark#quote")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#pane")).to_be_hidden()

    def numbers() -> list[int]:
        return list(Ticket.objects.values_list("number", flat=True))

    assert await in_tenant(cast.acme.pk, numbers) == [1]


async def test_signing_in_leads_to_the_question_box(cast: Cast, site: str, chromium: Any) -> None:
    page = await chromium.new_page(base_url=site)
    await page.goto("/t/acme/")
    await page.fill("[name=login]", "alice@example.com")
    await page.fill("[name=password]", PASSWORD)
    await page.click("main button[type=submit]")
    await expect(page.locator("#question")).to_be_focused()
    await page.close()


async def test_rows_quoted_from_a_table_are_shown_as_one(cast: Cast, priced: None, sign_in: SignIn) -> None:
    page = await sign_in("alice", "/t/acme/")
    await asked(page, "How many lamps are in the Studio plan?")
    rows = page.locator(".turn .row")
    await expect(rows.first.locator(".cell")).to_have_text(["Plan", "Lamps"])
    await expect(rows.last.locator(".cell")).to_have_text(["Studio", "40"])
    written = await page.locator(".turn .prose").inner_html()
    await page.reload()
    reloaded = await page.locator(".turn .prose").inner_html()
    assert "".join(reloaded.split()) == "".join(written.split())


async def test_each_mark_of_a_table_opens_its_own_row(cast: Cast, priced: None, sign_in: SignIn) -> None:
    page = await sign_in("alice", "/t/acme/")
    await asked(page, "How many lamps are in the Studio plan?")
    assert await page.locator(".turn .row").first.locator(".mark").count() == 0
    for row in await page.locator(".turn .row:has(.mark)").all():
        await row.locator(".mark").click()
        await expect(page.locator("#pane mark")).to_have_text(await row.locator(".cell").all_inner_texts())


@pytest.fixture
def several(learn: Callable[..., None]) -> None:
    lamps = (
        "You can return a lamp within 30 days of delivery.\n\n## Money\n\nThe money for a lamp comes back in 5 days."
    )
    learn(("Weather", "Lamps like it dry."), ("Returning a lamp", lamps), ("Delivery", "Lamps come back by parcel."))


async def test_an_article_has_one_number_and_one_card(cast: Cast, several: None, sign_in: SignIn) -> None:
    page = await sign_in("alice", "/t/acme/")
    await asked(page, "When does the money for a lamp come back?")
    numbers = await page.locator(".turn .prose .mark").all_inner_texts()
    cards = await page.locator(".turn .source .number").all_inner_texts()
    assert list(dict.fromkeys(numbers)) == cards == [str(n) for n in range(1, len(cards) + 1)]
    titles = await page.locator(".turn .source-title").all_inner_texts()
    assert len(set(titles)) == len(titles)


@pytest.fixture
def outdated(learn: Callable[..., None]) -> None:
    learn(("Returning a lamp in 2025", "**Outdated.** Kept for proof.\n\nA lamp could be returned within 14 days."))


async def test_a_card_says_that_its_article_is_outdated(cast: Cast, outdated: None, sign_in: SignIn) -> None:
    page = await sign_in("alice", "/t/acme/")
    await asked(page, "How long could a lamp be returned in 2025?")
    await expect(page.locator(".source").first).to_contain_text("Outdated article")
    await page.reload()
    await expect(page.locator(".source").first).to_contain_text("Outdated article")
