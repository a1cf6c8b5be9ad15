"""Check digits: what tells a number that somebody was given from any other."""

from __future__ import annotations

VERHOEFF = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
SHUFFLE = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"
CODICE_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16,
         10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip


def digits(text: str) -> str:
    return "".join(each for each in text if each.isascii() and each.isdigit())


def luhn(text: str) -> bool:
    """Cards, the Canadian SIN."""
    total = 0
    for place, digit in enumerate(reversed(digits(text))):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def personnummer(text: str) -> bool:
    """The Swedish number, with the century or without."""
    return luhn(digits(text)[-10:])


def iban(text: str) -> bool:
    """ISO 7064 mod 97-10 over the number with its first four characters moved to the end."""
    plain = "".join(text.split()).upper()
    return int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1


def weighted(text: str, weights: tuple[int, ...], modulus: int) -> bool:
    """Whether the digits, times the weights, add up to a multiple."""
    number = digits(text)
    return len(number) == len(weights) and sum(map(int.__mul__, map(int, number), weights)) % modulus == 0


def verhoeff(text: str) -> bool:
    """The Indian Aadhaar."""
    state = 0
    for place, digit in enumerate(reversed(digits(text))):
        state = int(VERHOEFF[state][int(SHUFFLE[place % 8][int(digit)])])
    return state == 0


def steuer_id(text: str) -> bool:
    """The German tax number, ISO 7064 mod 11,10; one digit of the first ten comes two or three times."""
    number = digits(text)
    if len(number) != 11 or number[0] == "0" or max(map(number[:10].count, set(number[:10]))) not in (2, 3):
        return False
    product = 10
    for digit in number[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(number[10])


def nir(text: str) -> bool:
    """The French social insurance number: the last two of fifteen digits, Corsica aside."""
    number = digits(text)
    return len(number) == 15 and 97 - int(number[:13]) % 97 == int(number[13:])


def dni(text: str) -> bool:
    """The Spanish DNI, and the NIE of foreigners."""
    plain = text.upper().replace("-", "").replace(" ", "")
    plain = str("XYZ".index(plain[0])) + plain[1:] if plain[0] in "XYZ" else plain
    return DNI[int(plain[:-1]) % 23] == plain[-1]


def codice_fiscale(text: str) -> bool:
    plain = text.upper()
    total = sum(
        CODICE_ODD[each] if place % 2 == 0 else int(each, 36) - (0 if each.isdigit() else 10)
        for place, each in enumerate(plain[:15])
    )
    return chr(65 + total % 26) == plain[15]


def hetu(text: str) -> bool:
    """The Finnish personal identity code."""
    return HETU[int(text[:6] + text[7:10]) % 31] == text[10].upper()


def rijksregister(text: str) -> bool:
    """The Belgian national number, of those born before and since 2000."""
    number = digits(text)
    first, check = int(number[:9]), int(number[9:])
    return len(number) == 11 and check in (97 - first % 97, 97 - (2_000_000_000 + first) % 97)


def cpf(text: str) -> bool:
    """The Brazilian taxpayer number: two check digits, and not one digit throughout."""
    number = digits(text)
    if len(number) != 11 or len(set(number)) == 1:
        return False
    for size in (9, 10):
        total = sum(int(digit) * (size + 1 - place) for place, digit in enumerate(number[:size]))
        if total * 10 % 11 % 10 != int(number[size]):
            return False
    return True


def ahv(text: str) -> bool:
    """The Swiss AHV number, an EAN-13."""
    return weighted(text, (1, 3) * 6 + (1,), 10)


def bsn(text: str) -> bool:
    return weighted(text, (9, 8, 7, 6, 5, 4, 3, 2, -1), 11) and int(digits(text)) > 0


def pesel(text: str) -> bool:
    number = digits(text)
    return weighted(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), 10) and 1 <= int(number[2:4]) % 20 <= 12


def fodselsnummer(text: str) -> bool:
    """The Norwegian number, by its two check digits."""
    number = digits(text)
    return weighted(number[:10], (3, 7, 6, 1, 8, 9, 4, 5, 2, 1), 11) and weighted(
        number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1), 11
    )


def nhs(text: str) -> bool:
    """The number of a patient in England, Wales and the Isle of Man."""
    return weighted(text, (10, 9, 8, 7, 6, 5, 4, 3, 2, 1), 11)


def us_ssn(text: str) -> bool:
    """No check digit; what was never given out is refused."""
    area, group, serial = digits(text)[:3], digits(text)[3:5], digits(text)[5:]
    return area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"


def six_digit_date(text: str) -> bool:
    """Whether it begins with a day and a month: the Danish CPR number has no check digit since 2007."""
    return 1 <= int(text[:2]) <= 31 and 1 <= int(text[2:4]) <= 12
