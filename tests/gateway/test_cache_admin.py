"""The cache of answers in Django admin: figures of the own tenants, and the policy to set."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest

from accounts.tenancy import tenant_scope
from gateway.audit import writer
from gateway.cache.types import CacheNote, CacheResult
from gateway.models import CachePolicy
from gateway.types import Call, Caller, FinishReason, Message, Trace
from tests.conftest import Cast
from tests.gateway.conftest import SignIn

PAGE = "/admin/gateway/cachepolicy/"


def answered(cast: Cast, kind: CacheResult, saved: str = "0") -> None:
    call = Call(Caller(cast.acme.pk), (Message("user", "How?"),))
    note = CacheNote(kind, str(uuid.uuid4()), 0.91, Decimal(saved))
    with tenant_scope(cast.acme.pk):
        writer.append(cast.acme.pk, writer.frozen_completion(call), Trace(reason=FinishReason.STOP, cache=note))


def test_the_page_counts_what_was_found_and_what_that_saved(cast: Cast, sign_in: SignIn) -> None:
    answered(cast, CacheResult.MISS)
    answered(cast, CacheResult.EXACT, "0.0030")
    answered(cast, CacheResult.SEMANTIC, "0.0012")
    html = sign_in("ada").get(PAGE).content.decode()
    row = html.split('<th scope="row">Acme</th>')[1].split("</tr>")[0]
    assert [cell.split("</td>")[0].strip() for cell in row.split("<td>")[2:]] == ["0", "1", "1", "1", "67 %", "$0.0042"]


@pytest.mark.threat("T1")
def test_another_tenants_figures_are_not_shown(cast: Cast, sign_in: SignIn) -> None:
    answered(cast, CacheResult.MISS)
    html = sign_in("mallory").get(PAGE).content.decode()
    assert "Mallory" in html
    assert "Acme" not in html


def test_an_admin_sets_the_policy_of_the_own_tenant_within_bounds(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in("ada")
    form = {"tenant": cast.acme.pk, "enabled": "on", "similar": "", "bound": "0.5", "hours": "12"}
    assert client.post(f"{PAGE}add/", form).status_code == 200  # refused, and shown again
    assert client.post(f"{PAGE}add/", {**form, "bound": "0.95"}).status_code == 302
    with tenant_scope(cast.acme.pk):
        row = CachePolicy.objects.get()
    assert (row.enabled, row.similar, row.bound, row.hours) == (True, False, 0.95, 12)
    assert client.post(f"{PAGE}add/", {**form, "tenant": cast.mallory_co.pk, "bound": "0.9"}).status_code == 200


def test_a_record_tells_whose_answer_it_was(cast: Cast, sign_in: SignIn) -> None:
    answered(cast, CacheResult.SEMANTIC, "0.0012")
    listing = sign_in("ada").get("/admin/gateway/auditrecord/").content.decode()
    record = listing.split("/admin/gateway/auditrecord/")[1:]
    address = next(each.split('"')[0] for each in record if "/change/" in each[:60])
    html = sign_in("ada").get(f"/admin/gateway/auditrecord/{address}").content.decode()
    assert "to a similar question (0.910)" in html
    assert "saved $0.0012" in html
    assert "How?" in html
