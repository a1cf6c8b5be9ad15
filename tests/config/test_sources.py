"""Which hosts and ports documents are fetched from, as the environment says it."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import Env
from config.sources import fetch_policy


def test_hosts_of_ones_own_network_are_listed_with_their_ports() -> None:
    policy = fetch_policy(Env(environ={"CITEDESK_FETCH_PRIVATE_HOSTS": "Wiki.internal, 10.0.0.5:8090,[fd12::1]:80"}))
    expected = {("wiki.internal", 80), ("wiki.internal", 443), ("10.0.0.5", 8090), ("fd12::1", 80)}
    assert (policy.private_hosts, policy.ports) == (expected, {80, 443})


@pytest.mark.parametrize(
    "environ",
    [
        {"CITEDESK_FETCH_PRIVATE_HOSTS": "http://wiki.internal"},
        {"CITEDESK_FETCH_PRIVATE_HOSTS": "10.0.0.0/8"},
        {"CITEDESK_FETCH_PORTS": "80,web"},
        {"CITEDESK_FETCH_PORTS": "0"},
    ],
)
def test_a_list_that_cannot_be_right_stops_the_start(environ: dict[str, str]) -> None:
    with pytest.raises(ImproperlyConfigured, match=next(iter(environ))):
        fetch_policy(Env(environ=environ))
