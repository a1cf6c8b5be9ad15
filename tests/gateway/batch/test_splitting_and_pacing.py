"""How a batch is cut into uploads, and when it is looked at."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from gateway.batch.pacing import LONGEST_TROUBLE, after_trouble, next_look
from gateway.batch.splitting import fits, uploads
from gateway.profiles import BatchTerms, at_batch_price, batch_terms, completion_profiles

SMALL = BatchTerms("openai", Decimal("0.5"), requests=3, bytes=100)


def test_an_upload_has_neither_too_many_requests_nor_too_many_bytes() -> None:
    assert uploads([10, 10, 10, 10], SMALL) == [0, 0, 0, 1]
    assert uploads([49, 49, 1], SMALL) == [0, 0, 1]
    assert uploads([98, 1, 99], SMALL) == [0, 1, 2]
    assert uploads([], SMALL) == []


def test_what_no_upload_holds_is_known() -> None:
    assert fits(99, SMALL)
    assert not fits(100, SMALL)


def test_a_batch_is_looked_at_less_often_the_longer_it_takes() -> None:
    ages = [timedelta(seconds=0), timedelta(minutes=5), timedelta(hours=1), timedelta(hours=20)]
    assert [next_look(age).total_seconds() for age in ages] == [20, 30, 360, 600]


def test_trouble_is_given_more_time_each_time_and_what_the_provider_asks_for() -> None:
    assert all(7.5 <= after_trouble(1, None).total_seconds() <= 15 for _ in range(50))
    assert all(after_trouble(50, None).total_seconds() <= LONGEST_TROUBLE for _ in range(50))
    assert after_trouble(1, 300).total_seconds() == 300


def test_models_of_providers_with_a_batch_api_have_its_price_and_others_none() -> None:
    for profile in completion_profiles().values():
        cheaper = at_batch_price(profile)
        if batch_terms(profile.provider) is None:
            assert cheaper == profile
        else:
            assert profile.price is not None
            assert cheaper.price == profile.price.times(Decimal("0.5"))
