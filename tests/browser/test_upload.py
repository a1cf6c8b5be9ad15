"""Handing files in with Chromium: dropped, sent with progress, and followed until they are searchable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from accounts.tenancy import in_database, in_tenant
from knowledge import uploads
from knowledge.models import Document
from knowledge.tasks import index_document
from tests.browser.conftest import BROWSER, SignIn
from tests.browser.test_accessibility import SCREENS, faults
from tests.conftest import Cast

pytestmark = BROWSER
PAGE = "/t/acme/knowledge/upload/"
DEMO = Path(__file__).parents[2] / "knowledge" / "demo" / "help_centre"
DROP = """names => {
  const data = new DataTransfer();
  for (const [name, text] of names) data.items.add(new File([text], name));
  const event = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
  document.getElementById("drop").dispatchEvent(event);
}"""


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_enqueue", lambda tenant_id, document_id: None)


async def work(cast: Cast, *names: str) -> None:
    """What the worker does with the files of these names."""

    def found() -> list[str]:
        return [str(row.pk) for row in Document.objects.filter(external_id__in=names)]

    for document in await in_tenant(cast.acme.pk, found):
        await in_database(index_document, cast.acme.pk, document)


def row(page: Page, name: str) -> Any:
    return page.locator(".upload-row", has_text=name)


async def test_files_are_dropped_and_followed_until_they_are_searchable(cast: Cast, sign_in: SignIn) -> None:
    page = await sign_in("adam", PAGE, viewport={"width": 1200, "height": 860})
    await expect(page.locator("#no-uploads")).to_be_visible()
    text = "# Returns\n\nLamps are returned within 30 days.\n"
    await page.evaluate(DROP, [["returns.md", text], ["old.rtf", "{\\rtf1 old}"]])
    await expect(row(page, "returns.md").locator(".badge")).to_have_text("Waiting")
    await expect(row(page, "old.rtf")).to_contain_text("Save it as PDF")
    await expect(row(page, "old.rtf")).to_contain_text("unsupported_format")
    await work(cast, "returns.md")
    await expect(row(page, "returns.md").locator(".badge")).to_have_text("Searchable")
    await expect(page.locator("#spoken")).to_have_text("1 file is finished.")
    await page.reload()
    await expect(row(page, "returns.md").locator(".badge")).to_have_text("Searchable")


async def test_files_are_chosen_and_a_page_that_comes_back_goes_on(cast: Cast, sign_in: SignIn) -> None:
    page = await sign_in("adam", PAGE, viewport={"width": 1200, "height": 860})
    names = ["replace-drive.md", "factory-reset.md", "lights.html", "warranty-and-returns.pdf"]
    await page.set_input_files("#files", [DEMO / "hub" / name for name in names])
    for name in names:
        await expect(row(page, name).locator(".badge")).to_have_text("Waiting")
    await page.reload()
    await work(cast, *names[:3])
    for name in names[:3]:
        await expect(row(page, name).locator(".badge")).to_have_text("Searchable")
    await expect(row(page, names[3]).locator(".badge")).to_have_text("Waiting")
    await page.set_input_files("#files", [DEMO / "api" / "errors.html"])
    await expect(row(page, "errors.html")).to_be_visible()


async def test_without_script_it_is_a_plain_form(cast: Cast, sign_in: SignIn) -> None:
    page = await sign_in("adam", PAGE, java_script_enabled=False)
    await page.set_input_files("#files", [DEMO / "hub" / "lights.html", DEMO / "hub" / "set-up.md"])
    await page.click("button:text('Hand in')")
    await expect(page.locator(".messages")).to_contain_text("2 files were taken and are being read.")
    await expect(page.locator(".upload-row")).to_have_count(2)
    await work(cast, "lights.html", "set-up.md")
    await page.click("text=See how far they are")
    await expect(page.locator(".badge").first).to_have_text("Searchable")


@pytest.mark.parametrize("screen", SCREENS)
async def test_it_is_accessible(cast: Cast, sign_in: SignIn, screen: dict[str, object]) -> None:
    page = await sign_in("adam", PAGE, **screen)
    assert await faults(page) == [], "the empty page"
    await page.evaluate(DROP, [["returns.md", "# Returns\n\nLamps."], ["old.rtf", "{\\rtf1 old}"]])
    await expect(row(page, "old.rtf")).to_contain_text("unsupported_format")
    assert await faults(page) == [], "with files"
    width = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, "nothing is wider than the screen"
