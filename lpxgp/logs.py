"""Logging: one JSON line per event on stderr, without secrets and without anybody's e-mail address.

Everything that is logged, by us or by a library, passes ``redact``. Exceptions are written as frames and a short
message, so that the body of a provider's answer, which some of them carry, stays out.
"""

import hashlib
import hmac
import logging
import logging.config
import re
import secrets
import sys
import traceback
from collections.abc import Callable
from typing import Any

import structlog
from django.db import Error as DatabaseTrouble
from structlog.typing import EventDict, Processor

HIDDEN = "[hidden]"
LONGEST_MESSAGE = 300
"""Characters of an exception's message that are kept."""
LONGEST_TEXT = 10_000

SECRET_KEYS = re.compile(
    r"(?i)token|secret|passw|authorization|cookie|credential|verifier|assertion|api_?key|payload|signature"
    r"|^(code|body|seed|otp|headers)$"
)
SECRET_VALUES = re.compile(
    r"""
    ya29\.[\w.-]+                              # Google access tokens
    | \b1//[\w-]{8,}                           # Google refresh tokens
    | GOCSPX-[\w-]+                            # Google client secrets
    | \beyJ[\w-]{8,}(?:\.[\w-]*)*              # JSON web tokens
    | \b00D\w{9,15}![\w.]+                     # Salesforce sessions
    | \bpat-[a-z0-9]+-[\w-]{8,}                # HubSpot private apps
    | \b[0-9a-f]{8}\|gAAAA[\w=-]+ | gAAAA[\w=-]{20,}   # our own ciphertexts
    | \b[0-9a-f]{8}\.[\w-]{22}\.[\w-]{43}        # secrets of push channels, which may stand in an address
    | (?i:\bbearer\s+)[\w.~+/=|-]{8,}
    | (?i:\bauthorization["']?\s*[:=]\s*["']?(?:\w+\s+)?)[\w.~+/=|-]{6,}
    | (?<=[?&]state=)[^&\s"']+                  # OAuth's; "state" alone is an ordinary word
    """,
    re.VERBOSE,
)
# name=value of an address or a form, "name": "value" of JSON or a dict: the name stays.
SECRET_FIELDS = re.compile(
    r"""(?ix)
    ((?: secret | token | password | verifier | assertion | api_?key | \b(?:code|sig) )
        ["']? \s* (?: = \s* ["']? | : \s* ["'] ))
    ([^\s"'&,;}]{4,})
    """
)
ADDRESS = re.compile(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+")

QUIET = ["urllib3", "requests_oauthlib", "oauthlib", "googleapiclient", "httplib2", "google", "authlib", "asyncio"]


def configure(level: str, mask_key: str = "", is_readable: bool = False) -> None:
    """Set up logging for the whole process.

    ``mask_key`` makes the masks of e-mail addresses comparable between processes; ``is_readable`` writes for a
    person at a terminal instead of JSON.
    """
    redact = redactor(mask_key or secrets.token_hex())
    renderer: Processor = structlog.dev.ConsoleRenderer() if is_readable else structlog.processors.JSONRenderer()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            describe_exception,
            redact,
            renderer,
        ],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": formatter},
            "handlers": {"stderr": {"class": "lpxgp.logs.StderrHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": level.upper()},
            "loggers": {
                **{name: {"level": "WARNING"} for name in QUIET},
                # Its lines carry query strings, and ours says the same; statements carry their values.
                "django.server": {"level": "WARNING"},
                "django.db.backends": {"level": "INFO"},
            },
        }
    )
    logging.captureWarnings(True)


class StderrHandler(logging.StreamHandler[Any]):
    """Writes to what stderr is now, not to what it was at the start: tests and terminals replace it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr


def describe_exception(logger: object, method: str, event: EventDict) -> EventDict:
    """Replace ``exc_info`` by frames and the types and short messages of the exception and its causes."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else None
    chain: list[str] = []
    while error is not None and len(chain) < 5:
        message = _message(error)
        kept = (
            message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}… ({len(message)} characters)"
        )
        frames = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
        chain.append(f"{type(error).__module__}.{type(error).__qualname__}: {kept}\n{frames}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if chain:
        event["exception"] = "Caused by ".join(chain)
    return event


def _message(error: BaseException) -> str:
    """What the exception says; of a database's its first line, since PostgreSQL adds the row that it refused."""
    message = str(error)
    is_of_database = isinstance(error, DatabaseTrouble) or hasattr(error, "sqlstate")
    return message.partition("\n")[0] if is_of_database else message


def redactor(mask_key: str) -> Processor:
    """A processor that hides secrets by key and by shape, and replaces addresses by a keyed hash."""
    clean_text = text_cleaner(mask_key)

    def clean(value: Any, key: str = "") -> Any:
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if SECRET_KEYS.search(key):
            return HIDDEN
        if isinstance(value, dict):
            return {clean_text(str(name)): clean(item, str(name)) for name, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [clean(item) for item in value]
        return clean_text(str(value))

    def redact(logger: object, method: str, event: EventDict) -> EventDict:
        return {name: clean(item, name) for name, item in event.items()}

    return redact


def text_cleaner(mask_key: str) -> Callable[[str], str]:
    """A function that cleans one text of secrets and addresses."""
    key = hashlib.sha256(b"log masks" + mask_key.encode()).digest()

    def mask(match: re.Match[str]) -> str:
        return "person:" + hmac.new(key, match[0].lower().encode(), hashlib.sha256).hexdigest()[:12]

    def clean(text: str) -> str:
        if len(text) > LONGEST_TEXT:
            text = f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"
        text = SECRET_VALUES.sub(HIDDEN, text)
        text = SECRET_FIELDS.sub(lambda match: match[1] + HIDDEN, text)
        return ADDRESS.sub(mask, text)

    return clean
