"""What is found in a text, what is left alone, and how long that takes."""

from __future__ import annotations

import time

import pytest

from gateway.redaction.detector import Patterns
from gateway.redaction.spans import Kind

# Keys that were made up for these tests, in the forms that their makers use.
KEYS = (
    "sk-proj-Zq8Xw2Lr5Tn9Vb3Kc7Jd",
    "sk-ant-api03-Hk2Lm9Qx4Rt7Wz1Yb6Nc",
    "gh" + "p_16C7e42F292c6912E7710c838347Ae178B4a",
    "AKIA" + "QX7ZT2RWM5NBLV3K",
    "AI" + "zaSyD4fK9sLw2Qm7Rt5Xc1Vb8Nh3Jg6Pe0Yu",
    "xo" + "xb-2847563920-aBcDeFgHiJkLmNoP",
    "sk" + "_live_9aK3mQ7xT2vR8wZ5",
    "glpat-Xk3Lm8Qz2Rt7Wv5Yb9Nc",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "cdk_a1b2c3d4_Qx7Zt2Rwm5Nblv3Kp9Ys",
)
found = Patterns().find


def kinds(text: str) -> dict[str, Kind]:
    return {text[span.start : span.end]: span.kind for span in found(text)}


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("Write to bob.ross+x@mail.example.co.uk.", "bob.ross+x@mail.example.co.uk", Kind.EMAIL),
        ("Mail: ana(at)example(dot)org", "ana(at)example(dot)org", Kind.EMAIL),
        ("Call me on +49 30 901820 please", "+49 30 901820", Kind.PHONE),
        ("My number is 541-714-1388.", "541-714-1388", Kind.PHONE),
        ("Tel.: 0341 8387176", "0341 8387176", Kind.PHONE),
        ("Charge 4454 7945 1139 0933 again", "4454 7945 1139 0933", Kind.CARD),
        ("my card 4454794511390934 was lost", "4454794511390934", Kind.CARD),
        ("Pay to GB29 NWBK 6016 1331 9268 19", "GB29 NWBK 6016 1331 9268 19", Kind.IBAN),
        ("My SSN is 460-89-9847", "460-89-9847", Kind.ID),
        ("DNI 12345678Z", "12345678Z", Kind.ID),
        ("Codice RSSMRA85T10A562S", "RSSMRA85T10A562S", Kind.ID),
        ("CPF 529.982.247-25", "529.982.247-25", Kind.ID),
        ("Steuer-ID: 86095742719", "86095742719", Kind.ID),
        ("numéro 2 55 08 14 168 025 38", "2 55 08 14 168 025 38", Kind.ID),
        ("AHV 756.9217.0769.85", "756.9217.0769.85", Kind.ID),
        ("HETU 131052-308T", "131052-308T", Kind.ID),
        ("PESEL 44051401359", "44051401359", Kind.ID),
        ("BSN 111222333", "111222333", Kind.ID),
        ("Passport number: C01X00T47", "C01X00T47", Kind.ID),
        ("from 106.31.73.20 today", "106.31.73.20", Kind.IP),
        ("from 2001:db8:85a3::8a2e:370:7334 today", "2001:db8:85a3::8a2e:370:7334", Kind.IP),
        ("device 00:1B:44:11:3A:B7", "00:1B:44:11:3A:B7", Kind.MAC),
        ("I was born on 12 March 1980.", "12 March 1980", Kind.BIRTH),
        ("DOB: 1980-03-12", "1980-03-12", Kind.BIRTH),
        ("use postgres://bob:hunter2@db:5432/x", "bob:hunter2", Kind.SECRET),
        ("GET /x?access_token=9f8e7d6c5b4a HTTP", "9f8e7d6c5b4a", Kind.SECRET),
        ("the password is hunter2!", "hunter2!", Kind.SECRET),
        ("My name is Sölvi Salómonsson.", "Sölvi Salómonsson", Kind.NAME),
        ("Dr. Fanucci called back", "Fanucci", Kind.NAME),
        ("I talked to Mathias Ruud about it", "Mathias Ruud", Kind.NAME),
        ("follow up with patricia desrosiers soon", "patricia desrosiers", Kind.NAME),
        ("Ship to 1668 Glyn Street, Springfield, IL 62704.", "1668 Glyn Street, Springfield, IL 62704", Kind.ADDRESS),
        ("Meine Adresse: Hauptstraße 5, 10115 Berlin", "Hauptstraße 5, 10115 Berlin", Kind.ADDRESS),
        ("J'habite 12 rue de la Paix, 75002 Paris", "12 rue de la Paix, 75002 Paris", Kind.ADDRESS),
        ("P.O. Box 149 is mine", "P.O. Box 149", Kind.ADDRESS),
        ("We moved to Khandallah last year", "Khandallah", Kind.PLACE),
    ],
)  # fmt: skip
def test_personal_data_is_found(text: str, value: str, kind: Kind) -> None:
    assert kinds(text).get(value) == kind, kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "Open Settings > Account Settings and select Server Settings.",
        "Thunderbird 128.3.1 needs Windows 10 version 1903 or macOS 10.15.",
        "Use port 993 with SSL/TLS, or port 143 with STARTTLS.",
        "The error code is 0x80070005, see bug 1234567.",
        "Order 20240117-4432 was shipped on 2024-01-17 at 12:30:45.",
        "Press Ctrl+Shift+P. Mark the message as read, or choose Junk.",
        "Listen on 127.0.0.1 with netmask 255.255.255.0.",
        "The password must be at least 8 characters long. Password: required.",
        "Click Will Call, then Page Setup. May I help you? Sue the Summer Sale!",
        "Die Rechnung kommt am Ende des Monats. Wählen Sie Einstellungen und dann Konto.",
        "See RFC 5322, section 3.4.1, and ISO 8601.",
        "It costs $1,299.00 or 1.299,00 € for 1000 people.",
        "The quick brown fox jumps over the lazy dog.",
    ],
)
def test_what_is_no_personal_data_is_left_alone(text: str) -> None:
    assert kinds(text) == {}


@pytest.mark.threat("T12")
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "around", ["{}", "key={}", 'const key = "{}";', "Authorization: Bearer {}", "({})", "a\n{}\nb"]
)
def test_keys_are_found_wherever_they_stand(key: str, around: str) -> None:
    text = around.format(key)
    hidden = "".join(text[span.start : span.end] for span in found(text) if span.kind is Kind.SECRET)
    assert key in hidden


def test_a_private_key_is_found_whole() -> None:
    block = "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEpAIBAAKCAQEA\nabc+/=\n-----END RSA PRIVATE " + "KEY-----"
    assert kinds(f"Look:\n{block}\nDone")[block] is Kind.SECRET


UNITS = (
    *(
        "a",
        "1",
        "1 ",
        "A",
        "Aa ",
        "a@",
        "a.",
        "1.",
        "a:",
        "1-",
        "(1",
        "sk-",
        "x@y.",
        "Anna ",
        "Calle ",
        "12 St ",
        "\n",
        ", ",
    ),
    *(
        "password ",
        "password: ",
        "eyJ",
        "://a:",
        "aa:",
        "IBAN GB00 ",
        "born on ",
        "Rue de ",
        "-----BEGIN PRIVATE KEY",
        "ß",
    ),
    *("٣", "the corner of ", "my name is ", "O'", "-", "1a ", "Apt. 1 ", "A B. ", "0-", "+1"),
)


def seconds(text: str) -> float:
    """Of this thread alone: others of the process have work of their own."""
    begun = time.thread_time()
    found(text)
    return time.thread_time() - begun


@pytest.mark.threat("O8")
@pytest.mark.parametrize("unit", UNITS)
def test_time_is_linear_in_the_text(unit: str) -> None:
    """Eight times as much of what a pattern can begin with takes about eight times as long. A pattern
    that looks ahead without bound would take sixty-four times, each time it is tried; a garbage
    collection of all that the process holds falls into one try."""
    found("warm")
    assert any(seconds(unit * (2**17 // len(unit))) < 24 * seconds(unit * (2**14 // len(unit))) + 0.5 for _ in range(3))


@pytest.mark.threat("O8")
def test_a_hostile_megabyte_is_read_through() -> None:
    text = "".join(unit * (2**20 // len(UNITS) // len(unit)) for unit in UNITS)
    assert len(text) > 1_000_000
    assert seconds(text) < 30
