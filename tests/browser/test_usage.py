"""The admin's page of figures in Chromium: as axe-core finds it, and within the width of a phone."""

from __future__ import annotations

import pytest

from accounts.tenancy import in_database
from tests.browser.conftest import BROWSER, SignIn
from tests.browser.test_accessibility import faults
from tests.conftest import Cast, TestDatabase
from tests.gateway.test_usage import PAGE, called

pytestmark = BROWSER
SCREENS = [(scheme, width) for scheme in ("light", "dark") for width in (390, 1280)]


def busy_month(cast: Cast, live_db: TestDatabase) -> None:
    with live_db.superuser() as intruder:
        intruder.execute("SET session_replication_role = replica")
        for number in range(24):
            record = called(
                cast,
                cost=f"{0.4 + number % 7 * 0.9:.2f}",
                purpose=["answer", "draft", "a-program-with-a-long-name"][number % 3],
                model=["gpt-6-luna", "claude-haiku-5-5"][number % 2],
                error="rate_limited" if number % 8 == 0 else "",
            )
            intruder.execute(
                "UPDATE gateway_auditrecord SET at = at - make_interval(days => %s) WHERE id = %s", [number, record.pk]
            )


@pytest.mark.parametrize(("scheme", "width"), SCREENS)
async def test_the_page_of_figures(cast: Cast, live_db: TestDatabase, sign_in: SignIn, scheme: str, width: int) -> None:
    await in_database(busy_month, cast, live_db)
    page = await sign_in("ada", PAGE, color_scheme=scheme, viewport={"width": width, "height": 900})
    assert await faults(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"
