"""Record ids: a prefix that names the kind, the org's three letters, a number in base 62, and a check of the case.

https://help.salesforce.com/s/articleView?id=000385008
"""

import hashlib
import re
from functools import lru_cache

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECKS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
NUMBER_LENGTH, LOW_LENGTH = 9, 2
LOW = 62**LOW_LENGTH
SHAPE = re.compile(r"[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?")
VALUES = {digit: value for value, digit in enumerate(DIGITS)}


def is_id(text: object) -> bool:
    """Whether this is an id of 15 or 18 characters."""
    return isinstance(text, str) and SHAPE.fullmatch(text) is not None


def to18(text: str) -> str:
    """The 18 characters of an id of 15 or 18; three letters say which of the others are capital."""
    return text[:15] + check(text[:5]) + check(text[5:10]) + check(text[10:15])


@lru_cache(maxsize=65_536)
def check(part: str) -> str:
    """The letter for five others."""
    return CHECKS[sum(1 << place for place, letter in enumerate(part) if letter.isupper())]


def base62(number: int, length: int) -> str:
    """A number in base 62, filled up with zeros."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(DIGITS[digit])
    return "".join(reversed(digits))


@lru_cache(maxsize=65_536)
def part62(number: int, length: int) -> str:
    """The same for numbers that come again and again."""
    return base62(number, length)


def make(prefix: str, tag: str, number: int) -> str:
    """An id of 18 characters. A hundred thousand of them must be quick."""
    high, low = divmod(number, LOW)
    return to18(f"{prefix}{tag}{part62(high, NUMBER_LENGTH - LOW_LENGTH)}{part62(low, LOW_LENGTH)}")


def number_of(record_id: str, prefix: str, tag: str) -> int | None:
    """The number in an id, None where it is no id of this kind and org."""
    if not is_id(record_id) or not record_id.startswith(prefix + tag):
        return None
    number = 0
    for letter in record_id[6:15]:
        number = number * 62 + VALUES[letter]
    return number


def first_number(*names: str) -> int:
    """Where the numbers of a table start: the same for the same names, and far enough up to have capitals."""
    digest = hashlib.sha256("/".join(names).encode()).digest()
    return int.from_bytes(digest[:3], "big") * 1_000_000 + 62**4


def tag_of(name: str) -> str:
    """Three letters for an org, as real ids have the instance there."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    return base62(number % 62**2, 2) + "0"
