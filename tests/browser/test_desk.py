"""The agent's workspace in Chromium: the draft, the reply, and what happens around them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from playwright.async_api import Page, expect

from accounts.permissions import Actor
from accounts.tenancy import in_tenant, tenant_scope
from assistant.events import Delta, Event
from assistant.models import Conversation
from assistant.pipeline.answer import Ask, answer
from tests.browser.conftest import BROWSER, SignIn
from tests.conftest import Cast
from tickets import actions, drafting
from tickets.models import Draft, DraftState, Kind, Ticket, TicketMessage, UnsentReply

pytestmark = BROWSER
QUESTION = "How long do I have to return a lamp?"
ARTICLE = (
    "Returning a lamp",
    "You can return a lamp within 30 days of delivery. Pack it in its box and keep the receipt.",
)
DESK = "/t/acme/desk/1/"


async def _answer(actor: Actor) -> dict[str, Any]:
    return dict([event async for event in answer(Ask(QUESTION, actor))][-1].answer)  # type: ignore[attr-defined]


@pytest.fixture
def drafted(cast: Cast, learn: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> str:
    """Ticket 1 of alice's with a draft that is ready; the draft's text. No worker runs."""
    monkeypatch.setattr(actions, "_enqueue", lambda tenant_id, draft_id: None)
    learn(ARTICLE)
    found = async_to_sync(_answer)(cast.actor("alice"))
    with tenant_scope(cast.acme.pk):
        conversation = Conversation.objects.get(pk=found["conversation"])
        actions.ask_for_person(conversation, actor=cast.actor("alice"), note="It is still in its box.")
        make_ready(found)
    return str(found["answer"])


def make_ready(found: dict[str, Any]) -> None:
    draft = Draft.objects.filter(state=DraftState.WAITING).get()
    draft.state, draft.answer, draft.text = DraftState.READY, found, found["answer"]
    draft.save()


async def at_acme(cast: Cast, work: Callable[[], Any]) -> Any:
    return await in_tenant(cast.acme.pk, work)


def replies() -> list[tuple[str, float | None, int]]:
    sent = TicketMessage.objects.filter(kind=Kind.AGENT)
    return [(each.text, each.distance, len(each.citations)) for each in sent]


def unsent() -> list[str]:
    return list(UnsentReply.objects.values_list("text", flat=True))


async def kept(page: Page) -> None:
    await expect(page.locator("#kept")).to_have_text("Saved")


async def test_the_draft_waits_in_the_box_with_its_sources(cast: Cast, drafted: str, sign_in: SignIn) -> None:
    page = await sign_in("adam", "/t/acme/desk/")
    await expect(page.locator(".queue-row")).to_contain_text("Draft ready")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.locator("#text")).to_have_value(drafted)
    await page.locator("#text").focus()
    await page.locator("#text").evaluate("box => box.setSelectionRange(3, 3)")
    await expect(page.locator(".draft .source.lit")).to_have_count(1)
    await page.locator(".draft .source .quote").first.click()
    await expect(page.locator("#pane-body mark#quote")).to_be_in_viewport()


async def test_an_edited_draft_is_sent_with_its_citations(cast: Cast, drafted: str, sign_in: SignIn) -> None:
    page = await sign_in("adam", DESK)
    await page.keyboard.press("r")
    await page.keyboard.press("Control+Home")
    await page.keyboard.type("Hello Alice, ")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".entry.agent")).to_contain_text("Hello Alice")
    await expect(page.locator(".entry.agent .prose .mark").first).to_be_visible()
    text, distance, citations = (await at_acme(cast, replies))[0]
    assert text == f"Hello Alice, {drafted}"
    assert 0 < (distance or 0) < 0.5
    assert citations > 0
    await expect(page.locator('.states [value="pending"]')).to_have_attribute("aria-pressed", "true")


async def test_sending_is_undone_within_its_seconds(
    cast: Cast, drafted: str, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "UNDO_SECONDS", 60)
    page = await sign_in("adam", DESK)
    await page.fill("#text", "Too quick")
    await page.click("#reply button[value=solved]")
    await expect(page.locator("#undo button")).to_contain_text("Undo (")
    await expect(page.locator("#text")).to_have_value("")
    await page.keyboard.press("u")
    await expect(page.locator("#text")).to_have_value("Too quick")
    await expect(page.locator(".entry.agent")).to_have_count(0)
    assert await at_acme(cast, replies) == []


async def test_a_half_written_reply_survives_a_crash(cast: Cast, drafted: str, sign_in: SignIn) -> None:
    page = await sign_in("adam", DESK)
    await page.fill("#text", "Half of a")
    await kept(page)
    await page.context.close()
    again = await sign_in("adam", DESK)
    await expect(again.locator("#text")).to_have_value("Half of a")
    assert await at_acme(cast, unsent) == ["Half of a"]


async def test_a_reload_in_the_middle_of_a_word_loses_nothing(cast: Cast, drafted: str, sign_in: SignIn) -> None:
    page = await sign_in("adam", DESK)
    await page.fill("#text", "Half of a wor")
    await page.reload()
    await expect(page.locator("#text")).to_have_value("Half of a wor")
    await kept(page)


async def test_the_draft_comes_back_with_a_key(cast: Cast, drafted: str, sign_in: SignIn) -> None:
    page = await sign_in("adam", DESK)
    await expect(page.locator("#accept")).to_be_hidden()  # it is in the box already
    await page.fill("#text", "My own words")
    await page.keyboard.press("Escape")
    await page.keyboard.press("a")
    await expect(page.locator("#text")).to_have_value(drafted)
    await page.keyboard.press("Control+z")
    await expect(page.locator("#text")).to_have_value("My own words")


async def test_notes_stay_with_agents(cast: Cast, drafted: str, sign_in: SignIn) -> None:
    page = await sign_in("adam", DESK)
    await page.keyboard.press("n")
    await page.keyboard.type("Called her.")
    await page.click("#note-box button")
    await expect(page.locator(".entry.note")).to_contain_text("Called her.")
    customer = await sign_in("alice", "/t/acme/tickets/1/")
    await expect(customer.locator(".entry.customer").first).to_be_visible()
    await expect(customer.get_by_text("Called her.")).to_have_count(0)


async def test_keys_do_nothing_while_typing(cast: Cast, drafted: str, sign_in: SignIn) -> None:
    page = await sign_in("adam", DESK)
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_be_visible()
    await page.keyboard.press("c")  # the dialog has the keys now
    await page.keyboard.press("Escape")
    await expect(page.locator("#keys")).to_be_hidden()
    await page.keyboard.press("/")
    await expect(page.locator("#q")).to_be_focused()
    await page.keyboard.type("cn?j")
    await expect(page.locator("#q")).to_have_value("cn?j")
    await expect(page.locator("#keys")).to_be_hidden()
    await page.keyboard.press("Escape")
    await page.keyboard.press("c")
    await expect(page.locator('.states [value="closed"]')).to_have_attribute("aria-pressed", "true")


async def test_a_customers_new_words_appear_and_warn_who_types(cast: Cast, drafted: str, sign_in: SignIn) -> None:
    page = await sign_in("adam", DESK)
    await page.fill("#text", "You have 30 days, so")
    await kept(page)

    def write() -> None:
        actions.customer_writes(Ticket.objects.get(), actor=cast.actor("alice"), text="The receipt is lost")

    await at_acme(cast, write)
    await expect(page.locator(".entry.customer").last).to_contain_text("The receipt is lost")
    await expect(page.locator("#notice")).to_contain_text("while you were typing")
    await expect(page.locator(".since")).to_be_visible()
    await expect(page.locator("#text")).to_have_value("You have 30 days, so")


async def test_a_new_draft_waits_while_the_agent_writes(cast: Cast, drafted: str, sign_in: SignIn) -> None:
    page = await sign_in("adam", DESK)
    await page.fill("#text", "My own words")
    await kept(page)
    other = {"answer": "Another draft.", "sentences": [], "citations": []}

    def redraft() -> None:
        actions.request_draft(Ticket.objects.get())
        make_ready(other)

    await at_acme(cast, redraft)
    await expect(page.locator("#use-newer")).to_be_visible()
    await expect(page.locator("#text")).to_have_value("My own words")
    await page.click("#use-newer")
    await expect(page.locator("#text")).to_have_value("Another draft.")


@pytest.mark.threat("O3", "P9")
async def test_script_in_a_ticket_stays_text(cast: Cast, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "_enqueue", lambda tenant_id, draft_id: None)
    payload = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"

    def open_it() -> None:
        actions.open_ticket(actor=cast.actor("alice"), subject=payload, text=payload)
        make_ready(
            {
                "answer": payload,
                "sentences": [{"text": payload, "supported": False, "citations": [], "lead": ""}],
                "citations": [],
            }
        )

    await at_acme(cast, open_it)
    page = await sign_in("adam", DESK)
    await expect(page.locator("#text")).to_have_value(payload)
    await expect(page.locator("#mirror .doubt-here")).to_have_text(payload)
    await expect(page.locator("main img, aside img, main script")).to_have_count(0)
    assert await page.title() != "owned"


async def test_a_draft_written_again_takes_the_place_of_the_old_one(cast: Cast, drafted: str, sign_in: SignIn) -> None:
    page = await sign_in("adam", DESK)
    old = await page.input_value("#reply [name=draft]")
    await page.click("#again")
    await expect(page.locator("#reply [name=draft]")).not_to_have_value(old)
    await expect(page.locator("#text")).to_have_value(re.compile("30 days"))
    await expect(page.locator("#preview")).to_be_hidden()
    await kept(page)
    new = await page.input_value("#reply [name=draft]")
    await page.reload()
    await expect(page.locator("#reply [name=draft]")).to_have_value(new)
    assert await at_acme(cast, lambda: Draft.objects.filter(state=DraftState.READY).count()) == 1


@pytest.mark.threat("R5")
async def test_a_draft_is_stopped_while_it_streams(
    cast: Cast, drafted: str, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, closed = asyncio.get_running_loop(), asyncio.Event()

    async def endless(request: Any, outcome: Any) -> AsyncGenerator[Event, None]:
        yield Delta("A lamp can ")
        try:
            await asyncio.Event().wait()
        finally:
            loop.call_soon_threadsafe(closed.set)

    monkeypatch.setattr(drafting, "compose", endless)
    page = await sign_in("adam", DESK)
    await page.click("#again")
    await expect(page.locator("#preview .prose")).to_have_text("A lamp can ")
    await page.click("#stop")
    await expect(page.locator("#notice")).to_contain_text("Stopped")
    await expect(page.locator("#preview")).to_be_hidden()
    await asyncio.wait_for(closed.wait(), 10)
    await page.reload()
    await expect(page.locator("#text")).to_have_value(drafted)
    assert await at_acme(cast, lambda: Draft.objects.filter(state=DraftState.WAITING).count()) == 0
