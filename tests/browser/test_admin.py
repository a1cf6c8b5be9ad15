"""The admin's main path in Chromium: who asked what, what was sent, what came back, is it intact."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.async_api import expect

from accounts.tenancy import in_database
from assistant.events import Final
from assistant.pipeline.answer import Ask, answer
from tests.browser.conftest import BROWSER, SignIn
from tests.conftest import Cast, TestDatabase

pytestmark = BROWSER


@pytest.fixture
def known(learn: Callable[..., None]) -> None:
    learn(("Returning a lamp", "You can return a lamp within 30 days of delivery."))


async def test_an_admin_finds_a_record_reads_it_and_sees_that_it_was_changed(
    cast: Cast, known: None, sign_in: SignIn, live_db: TestDatabase
) -> None:
    alice = await in_database(cast.actor, "alice")
    ask = Ask("How long do I have to return a lamp?", alice)
    (final,) = [event.answer async for event in answer(ask) if isinstance(event, Final)]

    page = await sign_in("ada", "/admin/gateway/auditrecord/")
    await page.fill("#searchbar", "return a lamp")
    await page.press("#searchbar", "Enter")
    await page.click("#changelist-filter a:has-text('completion')")
    await page.click(".field-sequence a")
    story = page.locator("#content")
    for told in (ask.question, "Returning a lamp", "within 30 days", "supported", "as it was written"):
        await expect(story).to_contain_text(told)
    await expect(page.locator("#content form input[type=submit]")).to_have_count(0)

    def change() -> None:
        with live_db.superuser() as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("UPDATE gateway_auditrecord SET model = 'forged' WHERE id = %s", [final["audit_id"]])

    await in_database(change)
    await page.reload()
    await expect(story).to_contain_text("This record was changed")


async def test_an_admin_sees_what_became_of_each_document(cast: Cast, known: None, sign_in: SignIn) -> None:
    page = await sign_in("ada", "/admin/knowledge/document/")
    await expect(page.locator("#result_list")).to_contain_text("searchable")
    await page.click(".field-title a")
    await expect(page.locator("#content")).to_contain_text("within 30 days of delivery")
