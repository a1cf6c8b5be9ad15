"""Rules of robots.txt, by the examples of RFC 9309 and by files that mean harm."""

from __future__ import annotations

import time

import pytest

from knowledge.sources.robots import read_robots


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("Disallow: /", "/a", False),
        ("Disallow:", "/a", True),
        ("", "/a", True),
        ("Disallow: /a\nAllow: /a/b", "/a/b/c", True),
        ("Allow: /a\nDisallow: /a", "/a", True),
        ("Disallow: *.gif$", "/x/y.gif", False),
        ("Disallow: *.gif$", "/x/y.gif?a", True),
        ("Disallow: /a$", "/a", False),
        ("Disallow: /a$", "/ab", True),
        ("Disallow: /*/private/*.html$", "/de/private/x.html", False),
        ("Disallow: /*/private/*.html$", "/de/x.html", True),
        ("Disallow: /a*b*a$", "/aba", False),
        ("Disallow: /aba*aba$", "/aba", True),
        ("Disallow: /ü", "/%C3%BC", False),
        ("Disallow: /a # and no more", "/a", False),
        ("disallow : /a", "/a", False),
    ],
)
def test_the_longest_rule_that_matches_decides(rules: str, path: str, allowed: bool) -> None:
    assert read_robots(f"User-agent: *\n{rules}").allow(path) is allowed


def test_the_group_that_names_us_counts_and_the_others_do_not() -> None:
    text = "User-agent: *\nDisallow: /\nUser-agent: Other\nUser-agent: CiteDesk\nDisallow: /a\nCrawl-delay: 3\n"
    text += "Sitemap: https://x.example/s.xml\nDisallow: /b\nUser-agent: citedesk\nDisallow: /c\nCrawl-delay: 900"
    robots = read_robots("\ufeff" + text)
    assert [robots.allow(path) for path in ("/", "/a", "/b", "/c")] == [True, False, False, False]
    assert robots.delay == 30, "no site keeps a worker for minutes"


@pytest.mark.threat("O8")
def test_a_hostile_file_takes_linear_time() -> None:
    started = time.perf_counter()
    robots = read_robots("User-agent: *\n" + f"Disallow: /{'*a' * 200}*b$\n" * 200)
    assert robots.allow("/" + "a" * 900)
    assert read_robots("\x00\r:::\nUser-agent\n" * 1000).allow("/a")
    assert time.perf_counter() - started < 2
