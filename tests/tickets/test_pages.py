"""The desk and the customer's requests as a browser without script uses them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.tenancy import tenant_scope
from assistant.models import Conversation
from tests.conftest import Cast
from tickets import actions
from tickets.models import Draft, DraftState, Kind, State, Ticket, TicketMessage, UnsentReply

PAYLOAD = "<script>alert(1)</script><img src=x onerror=alert(1)>"
TEXT = "You can return a lamp within 30 days. [1]"
POSTS = ("reply", "take-back", "note", "assign", "state", "draft", "unsent")


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "_enqueue", lambda tenant_id, draft_id: None)


@pytest.fixture
def ticket(cast: Cast) -> Ticket:
    with tenant_scope(cast.acme.pk):
        return actions.open_ticket(actor=cast.actor("alice"), subject="A broken lamp", text="It fell down.")


@pytest.fixture
def draft(cast: Cast, ticket: Ticket) -> Draft:
    """Ready, with one citation of an article and one sentence that is not supported."""
    citation = {
        "marker": 1,
        "document": str(uuid.uuid4()),
        "version": str(uuid.uuid4()),
        "title": "Returning a lamp",
        "url": "",
        "start": 0,
        "end": 10,
        "quote": "within 30 days",
    }
    sentences = [
        {"text": "You can return a lamp within 30 days.", "supported": True, "citations": [1], "lead": ""},
        {"text": "Lamps float.", "supported": False, "reason": "no_citation", "citations": [], "lead": " "},
    ]
    answer = {"status": "answered", "sentences": sentences, "citations": [citation]}
    with tenant_scope(cast.acme.pk):
        found: Draft = Draft.objects.get(ticket=ticket)
        found.state, found.text, found.answer = DraftState.READY, TEXT, answer
        found.save()
    return found


def signed_in(cast: Cast, name: str) -> Client:
    client = Client()
    client.force_login(getattr(cast, name))
    return client


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    assert len(answer.content) < 100_000
    return answer.content.decode()


def in_acme(cast: Cast, work: Callable[[], Any]) -> Any:
    with tenant_scope(cast.acme.pk):
        return work()


def box_of(html: str) -> str:
    match = re.search(r'<textarea id="text"[^>]*>(.*?)</textarea>', html, re.DOTALL)
    assert match
    return match[1]


@pytest.mark.threat("T1")
@pytest.mark.parametrize("name", ["alice", "mallory"])
def test_to_customers_and_strangers_the_desk_does_not_exist(cast: Cast, ticket: Ticket, name: str) -> None:
    client = signed_in(cast, name)
    for path in ("", "1/", "1/news/"):
        assert client.get(f"/t/acme/desk/{path}").status_code == 404
    for path in POSTS:
        assert client.post(f"/t/acme/desk/1/{path}/", {"text": "x", "state": "closed"}).status_code == 404
    with tenant_scope(cast.acme.pk):
        assert Ticket.objects.get().state == State.OPEN
        assert TicketMessage.objects.count() == 1


@pytest.mark.threat("T1")
@pytest.mark.parametrize("name", ["mallory", "adam"])
def test_a_request_is_its_customers_own(cast: Cast, ticket: Ticket, name: str) -> None:
    client = signed_in(cast, name)
    assert client.get("/t/acme/tickets/1/").status_code == 404
    assert client.post("/t/acme/tickets/1/", {"text": "mine now"}).status_code == 404
    assert client.post("/t/acme/tickets/1/solved/").status_code == 404


def test_visitors_sign_in_first(cast: Cast, ticket: Ticket) -> None:
    answer = Client().get("/t/acme/desk/1/")
    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/login/?next=/t/acme/desk/1/"


def test_an_agent_of_one_tenant_reads_no_ticket_of_another(cast: Cast, ticket: Ticket) -> None:
    assert signed_in(cast, "mallory").get("/t/mallory/desk/1/").status_code == 404
    assert "A broken lamp" not in page(signed_in(cast, "mallory"), "/t/mallory/desk/?state=all")


def test_the_queue_answers_by_state_assignee_and_search(cast: Cast, ticket: Ticket) -> None:
    client = signed_in(cast, "adam")
    for query in ("", "?whose=nobody", "?q=lamp", "?q=fell", "?q=%231", "?q=alice", "?state=all"):
        assert "A broken lamp" in page(client, f"/t/acme/desk/{query}"), query
    for query in ("?whose=mine", "?state=closed", "?q=sofa", "?q=%25", "?q=%00&state=solved"):
        assert "A broken lamp" not in page(client, f"/t/acme/desk/{query}"), query


def test_an_empty_queue_says_what_will_come(cast: Cast) -> None:
    assert "Nobody waits for an answer." in page(signed_in(cast, "adam"), "/t/acme/desk/")


def test_the_draft_is_in_the_box_and_its_doubts_beside_it(cast: Cast, draft: Draft) -> None:
    html = page(signed_in(cast, "adam"), "/t/acme/desk/1/")
    assert box_of(html) == TEXT
    assert "1 sentence to check before you send" in html
    assert 'class="doubt"' in html
    assert "No article was cited for this sentence." in html
    assert "within 30 days" in html


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (DraftState.WAITING, "A draft will be written in a moment."),
        (DraftState.WRITING, "The draft is being written."),
        (DraftState.EMPTY, "The articles do not seem to answer this"),
        (DraftState.FAILED, "No draft could be written just now."),
        (DraftState.DISCARDED, "No draft waits."),
    ],
)
def test_each_state_of_a_draft_is_said_in_words(cast: Cast, ticket: Ticket, state: DraftState, words: str) -> None:
    in_acme(cast, lambda: Draft.objects.update(state=state, reason="provider_down"))
    html = page(signed_in(cast, "adam"), "/t/acme/desk/1/")
    assert words in html
    assert box_of(html) == ""


def test_a_form_sends_and_the_reply_can_be_taken_back(cast: Cast, draft: Draft) -> None:
    client = signed_in(cast, "adam")
    sent = {"text": TEXT, "draft": str(draft.pk), "seen": "1", "then": "solved"}
    assert client.post("/t/acme/desk/1/reply/?whose=nobody", sent)["Location"] == "/t/acme/desk/1/?whose=nobody"
    html = page(client, "/t/acme/desk/1/")
    assert "Sent as drafted" in html
    assert 'id="undo"' in html
    assert 'class="mark" href="/t/acme/articles/' in html
    message = in_acme(cast, lambda: TicketMessage.objects.get(kind=Kind.AGENT))
    assert in_acme(cast, lambda: Ticket.objects.get().state) == State.SOLVED
    client.post("/t/acme/desk/1/take-back/", {"message": str(message.pk)})
    assert box_of(page(client, "/t/acme/desk/1/")) == TEXT
    assert not in_acme(cast, lambda: TicketMessage.objects.filter(kind=Kind.AGENT).exists())


def test_what_the_customer_has_read_is_not_taken_back(cast: Cast, draft: Draft) -> None:
    client = signed_in(cast, "adam")
    client.post("/t/acme/desk/1/reply/", {"text": TEXT, "seen": "1"})
    in_acme(cast, lambda: TicketMessage.objects.filter(kind=Kind.AGENT).update(released_at=timezone.now()))
    message = in_acme(cast, lambda: TicketMessage.objects.get(kind=Kind.AGENT))
    answer = client.post("/t/acme/desk/1/take-back/", {"message": str(message.pk)}, follow=True)
    assert "cannot be taken back" in answer.content.decode()
    assert client.post("/t/acme/desk/1/take-back/", {"message": "no-id"}).status_code == 404


def test_nothing_is_sent_over_words_that_the_agent_has_not_seen(cast: Cast, draft: Draft, ticket: Ticket) -> None:
    client = signed_in(cast, "adam")
    in_acme(cast, lambda: actions.customer_writes(ticket, actor=cast.actor("alice"), text="Never mind."))
    answer = client.post("/t/acme/desk/1/reply/", {"text": "A reply", "draft": str(draft.pk), "seen": "1"}, follow=True)
    html = answer.content.decode()
    assert 'class="error"' in html
    assert box_of(html) == "A reply"
    assert not in_acme(cast, lambda: TicketMessage.objects.filter(kind=Kind.AGENT).exists())


def test_a_reply_made_from_a_draft_that_was_replaced_keeps_its_citations(
    cast: Cast, draft: Draft, ticket: Ticket
) -> None:
    client = signed_in(cast, "adam")
    in_acme(cast, lambda: actions.customer_writes(ticket, actor=cast.actor("alice"), text="And the bulb?"))
    client.post("/t/acme/desk/1/reply/", {"text": f"{TEXT} Bulbs too.", "draft": str(draft.pk), "seen": "2"})
    sent = in_acme(cast, lambda: TicketMessage.objects.get(kind=Kind.AGENT))
    assert [citation["quote"] for citation in sent.citations] == ["within 30 days"]
    assert 0 < sent.distance < 1


@pytest.mark.threat("R10")
def test_a_form_sent_twice_is_one_reply(cast: Cast, ticket: Ticket) -> None:
    client, form = signed_in(cast, "adam"), {"text": "Hello", "seen": "1", "id": str(uuid.uuid4())}
    for _ in range(2):
        assert client.post("/t/acme/desk/1/reply/", form).status_code == 302
    assert in_acme(cast, lambda: TicketMessage.objects.filter(kind=Kind.AGENT).count()) == 1


@pytest.mark.parametrize("text", ["", "   \n ", "x" * (actions.MAX_TEXT + 1)])
def test_a_reply_that_cannot_be_sent_says_why(cast: Cast, ticket: Ticket, text: str) -> None:
    answer = signed_in(cast, "adam").post("/t/acme/desk/1/reply/", {"text": text, "seen": "1"}, follow=True)
    assert 'class="error"' in answer.content.decode()
    assert not in_acme(cast, lambda: TicketMessage.objects.filter(kind=Kind.AGENT).exists())


def test_half_written_replies_are_kept_for_their_agent_alone(cast: Cast, draft: Draft) -> None:
    adam, ada = signed_in(cast, "adam"), signed_in(cast, "ada")
    kept = adam.post("/t/acme/desk/1/unsent/", {"text": "Half\r\na \x00reply", "draft": str(draft.pk)})
    assert kept.status_code == 204
    assert box_of(page(adam, "/t/acme/desk/1/")) == "Half\na reply"
    assert box_of(page(ada, "/t/acme/desk/1/")) == TEXT
    assert adam.post("/t/acme/desk/1/unsent/", {"text": "x" * (actions.MAX_TEXT + 1)}).status_code == 422


def test_an_emptied_box_stays_empty_until_another_draft_comes(cast: Cast, draft: Draft, ticket: Ticket) -> None:
    client = signed_in(cast, "adam")
    client.post("/t/acme/desk/1/unsent/", {"text": "", "draft": str(draft.pk)})
    assert box_of(page(client, "/t/acme/desk/1/")) == ""

    def another() -> None:
        actions.request_draft(ticket)
        Draft.objects.filter(state=DraftState.WAITING).update(state=DraftState.READY, text="Another")

    in_acme(cast, another)
    assert box_of(page(client, "/t/acme/desk/1/")) == "Another"


def test_the_draft_is_used_discarded_and_asked_for_again_without_script(cast: Cast, draft: Draft) -> None:
    client = signed_in(cast, "adam")
    client.post("/t/acme/desk/1/unsent/", {"text": "Mine", "draft": str(draft.pk)})
    client.post("/t/acme/desk/1/draft/", {"do": "use", "text": "Mine", "draft": str(draft.pk)})
    assert box_of(page(client, "/t/acme/desk/1/")) == TEXT
    client.post("/t/acme/desk/1/draft/", {"do": "discard", "text": TEXT, "draft": str(draft.pk)})
    assert box_of(page(client, "/t/acme/desk/1/")) == ""
    client.post("/t/acme/desk/1/draft/", {"do": "again", "text": "My own", "draft": ""})
    html = page(client, "/t/acme/desk/1/")
    assert "A draft will be written in a moment." in html
    assert box_of(html) == "My own"
    assert client.post("/t/acme/desk/1/draft/", {"do": "burn"}).status_code == 422


def test_stopping_a_new_draft_leaves_the_old_text_in_the_box(cast: Cast, draft: Draft, ticket: Ticket) -> None:
    client = signed_in(cast, "adam")
    in_acme(cast, lambda: actions.request_draft(ticket))
    client.post("/t/acme/desk/1/draft/", {"do": "stop", "text": TEXT, "draft": str(draft.pk)})
    html = page(client, "/t/acme/desk/1/")
    assert box_of(html) == TEXT
    assert "within 30 days" in html
    assert not in_acme(cast, lambda: Draft.objects.filter(state=DraftState.WAITING).exists())


def test_notes_assignment_and_state_work_as_forms(cast: Cast, ticket: Ticket) -> None:
    client = signed_in(cast, "adam")
    client.post("/t/acme/desk/1/note/", {"text": "Looks like a bad batch."})
    client.post("/t/acme/desk/1/assign/", {"user": "me"})
    client.post("/t/acme/desk/1/assign/", {"user": str(cast.ada.pk)})
    client.post("/t/acme/desk/1/state/", {"state": "closed"})
    html = page(client, "/t/acme/desk/1/")
    for words in ("Looks like a bad batch.", "Adam took the ticket", "Adam gave the ticket to Ada", "set it to closed"):
        assert words in html
    assert "This ticket is closed." in html
    assert 'id="reply"' not in html
    assert client.post("/t/acme/desk/1/state/", {"state": "burned"}).status_code == 422
    refused = client.post("/t/acme/desk/1/assign/", {"user": str(cast.alice.pk)}, follow=True)
    assert "Tickets are assigned to agents" in refused.content.decode()


def test_what_is_new_since_the_last_look_is_marked_once(cast: Cast, ticket: Ticket) -> None:
    client = signed_in(cast, "adam")
    assert 'class="badge new"' in page(client, "/t/acme/desk/")
    assert 'id="since"' not in page(client, "/t/acme/desk/1/")
    assert 'class="badge new"' not in page(client, "/t/acme/desk/")
    in_acme(cast, lambda: actions.customer_writes(ticket, actor=cast.actor("alice"), text="Hello?"))
    assert 'id="since"' in page(client, "/t/acme/desk/1/")
    assert 'id="since"' not in page(client, "/t/acme/desk/1/")


def test_an_open_page_hears_what_came_after(cast: Cast, draft: Draft, ticket: Ticket) -> None:
    client = signed_in(cast, "adam")
    key = f"{draft.pk}:ready"
    quiet = client.get("/t/acme/desk/1/news/", {"after": "1", "draft": key}).json()
    assert quiet == {"last": 1, "customer": False, "state": "open", "draft": {"key": key, "state": "ready"}}
    in_acme(cast, lambda: actions.customer_writes(ticket, actor=cast.actor("alice"), text="And the bulb?"))
    news = client.get("/t/acme/desk/1/news/", {"after": "1", "draft": key}).json()
    assert news["customer"]
    assert news["last"] == 2
    assert "And the bulb?" in news["entries"]
    assert news["draft"]["state"] == "waiting"


@pytest.mark.threat("P6")
def test_a_customer_sees_replies_alone_and_only_when_they_are_final(cast: Cast, draft: Draft, ticket: Ticket) -> None:
    agent, customer = signed_in(cast, "adam"), signed_in(cast, "alice")
    agent.post("/t/acme/desk/1/note/", {"text": "A note"})
    agent.post("/t/acme/desk/1/reply/", {"text": f"Dear Alice. {TEXT}", "draft": str(draft.pk), "seen": "1"})
    html = page(customer, "/t/acme/tickets/1/")
    assert "It fell down." in html
    for secret in ("A note", "Dear Alice", "Lamps float", "set it to"):
        assert secret not in html
    in_acme(cast, lambda: TicketMessage.objects.filter(kind=Kind.AGENT).update(released_at=timezone.now()))
    html = page(customer, "/t/acme/tickets/1/")
    assert "Dear Alice" in html
    assert 'class="mark" href="/t/acme/articles/' in html
    assert "Sent as drafted" not in html
    assert "Edited draft" not in html


def test_a_customer_writes_more_and_says_that_it_is_solved(cast: Cast, ticket: Ticket) -> None:
    client = signed_in(cast, "alice")
    client.post("/t/acme/tickets/1/solved/")
    assert "Solved" in page(client, "/t/acme/tickets/")
    answer = client.post("/t/acme/tickets/1/", {"text": "No, it is not."}, follow=True)
    assert "No, it is not." in answer.content.decode()
    assert in_acme(cast, lambda: Ticket.objects.get().state) == State.OPEN
    empty = client.post("/t/acme/tickets/1/", {"text": " "})
    assert empty.status_code == 422
    assert "Write something first." in empty.content.decode()


def test_a_closed_request_takes_no_more_words(cast: Cast, ticket: Ticket) -> None:
    in_acme(cast, lambda: actions.change_state(ticket, actor=cast.actor("adam"), state=State.CLOSED))
    client = signed_in(cast, "alice")
    assert "This request is closed." in page(client, "/t/acme/tickets/1/")
    assert client.post("/t/acme/tickets/1/", {"text": "Hello?"}).status_code == 422
    assert client.post("/t/acme/tickets/1/solved/").status_code == 302
    assert in_acme(cast, lambda: Ticket.objects.get().state) == State.CLOSED


def test_a_customer_without_requests_reads_how_to_make_one(cast: Cast) -> None:
    html = page(signed_in(cast, "alice"), "/t/acme/tickets/")
    assert "You have not asked for a person yet." in html
    assert "Desk" not in html


def test_the_conversation_shows_the_number_of_its_request(cast: Cast) -> None:
    def hand_over() -> Conversation:
        conversation: Conversation = Conversation.objects.create(tenant=cast.acme, user=cast.alice, title="A lamp")
        actions.ask_for_person(conversation, actor=cast.actor("alice"), note="Please call.")
        return conversation

    conversation = in_acme(cast, hand_over)
    html = page(signed_in(cast, "alice"), f"/t/acme/c/{conversation.pk}/")
    assert "request #1" in html
    assert 'href="/t/acme/tickets/1/"' in html


@pytest.mark.threat("O3", "P9")
def test_script_in_names_subjects_messages_and_drafts_is_escaped(cast: Cast, draft: Draft, ticket: Ticket) -> None:
    cast.alice.name = PAYLOAD[:100]
    cast.alice.save(update_fields=["name"])

    def poison() -> None:
        Ticket.objects.update(subject=PAYLOAD)
        TicketMessage.objects.update(text=f"{PAYLOAD} [1]", citations=draft.answer["citations"])
        answer = draft.answer | {"nearest": [{"title": PAYLOAD, "document": str(uuid.uuid4())}]}
        for each in (*answer["sentences"], *answer["citations"]):
            each.update({key: PAYLOAD for key in ("text", "quote", "title") if key in each})
        Draft.objects.update(text=PAYLOAD, answer=answer)
        actions.add_note(ticket, actor=cast.actor("adam"), text=PAYLOAD)

    in_acme(cast, poison)
    agent, customer = signed_in(cast, "adam"), signed_in(cast, "alice")
    paths = ("/t/acme/desk/", "/t/acme/desk/1/", f"/t/acme/desk/?q={PAYLOAD}", "/t/acme/desk/1/news/?after=0")
    pages = [agent.get(path).content.decode() for path in paths]
    pages += [page(customer, path) for path in ("/t/acme/tickets/", "/t/acme/tickets/1/")]
    for html in pages:
        assert PAYLOAD[:20] not in html
        assert "<img" not in html
    assert all("&lt;script&gt;" in html for html in pages)


def test_pages_carry_no_inline_script_or_style(cast: Cast, draft: Draft) -> None:
    for name, path in (("adam", "desk/"), ("adam", "desk/1/"), ("alice", "tickets/"), ("alice", "tickets/1/")):
        html = page(signed_in(cast, name), f"/t/acme/{path}")
        assert not re.search(r"<script(?![^>]*(src=|type=\"application/json\"))", html)
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style", html)
        assert not re.search(r"(src|href)=\"(https?:)?//", html)


def test_half_written_replies_of_a_reply_that_was_sent_are_gone(cast: Cast, ticket: Ticket) -> None:
    client = signed_in(cast, "adam")
    client.post("/t/acme/desk/1/unsent/", {"text": "Half"})
    client.post("/t/acme/desk/1/reply/", {"text": "Whole", "seen": "1"})
    assert not in_acme(cast, lambda: UnsentReply.objects.exists())
