"""The settings of the sources of knowledge, read from the environment."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from config.env import Env
from knowledge.fetching.policy import FetchPolicy, private_hosts


def fetch_policy(env: Env) -> FetchPolicy:
    """Raises `ImproperlyConfigured`, with a sentence that says what to set."""
    try:
        hosts = private_hosts(env.words("CITEDESK_FETCH_PRIVATE_HOSTS"))
    except ValueError as error:
        raise ImproperlyConfigured(f"CITEDESK_FETCH_PRIVATE_HOSTS: {error}.") from error
    ports = env.words("CITEDESK_FETCH_PORTS", "80,443")
    if not all(port.isascii() and port.isdigit() and 0 < int(port) < 65536 for port in ports):
        raise ImproperlyConfigured("CITEDESK_FETCH_PORTS is not a list of port numbers, such as 80,443.")
    return FetchPolicy(private_hosts=hosts, ports=frozenset(int(port) for port in ports))
