"""Salesforce's hosts: where one logs in, and an organization's own, which whoever logs in has a say in.

What is typed or answered is checked before anything is sent there: https, Salesforce's own suffix, nothing else.
https://help.salesforce.com/s/articleView?id=sf.domain_name_url_formats.htm
"""

import re
from urllib.parse import urlsplit

from integrations.errors import Unusable

PRODUCTION, SANDBOX = "login.salesforce.com", "test.salesforce.com"
SUFFIX = ".my.salesforce.com"
NAME = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
OWN = re.compile(
    rf"(?P<name>{NAME})(?:\.(?P<partition>sandbox|develop|scratch|demo|patch|stage|free|trailblaze))?{re.escape(SUFFIX)}",
    re.ASCII,
)
LONGEST = 200
NOT_OWN = (
    "is no My Domain of Salesforce. It looks like acme.my.salesforce.com, or acme--test.sandbox.my.salesforce.com for "
    "a sandbox. In Salesforce you find it at Setup, My Domain."
)


def own(typed: str) -> str:
    """The host of a My Domain that a person typed, with https:// or without. Raises Unusable with words for him.

    The page's own addresses, such as acme.lightning.force.com, are another host: no tokens are given there.
    """
    text = typed.strip()
    if not text or len(text) > LONGEST:
        raise Unusable("Type the address of your My Domain, such as acme.my.salesforce.com.")
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host = (parts.hostname or "").encode("idna").decode("ascii").lower()
        is_plain = parts.scheme == "https" and parts.username is None and parts.port in {None, 443}
    except (UnicodeError, ValueError):
        host, is_plain = "", False
    if not is_plain or not is_own(host):
        raise Unusable(f"“{text}” {NOT_OWN}")
    return host


def is_own(host: str) -> bool:
    """Whether this is the My Domain of an organization: a name with two hyphens in it is a sandbox's."""
    found = OWN.fullmatch(host)
    return found is not None and ("--" not in found["name"] or found["partition"] is not None)


def login(value: str) -> str:
    """The host to log in at: production's, the sandboxes', or a My Domain. Raises Unusable."""
    return value if value in {PRODUCTION, SANDBOX} else own(value)


def instance(url: object) -> str:
    """The origin of an ``instance_url`` as Salesforce's answer gives it; empty where it is none to send tokens to."""
    try:
        parts = urlsplit(str(url))
        is_plain = parts.scheme == "https" and parts.netloc == parts.hostname and parts.path in {"", "/"}
    except ValueError:
        return ""
    return f"https://{parts.netloc}" if is_plain and not parts.query and is_own(parts.netloc) else ""
