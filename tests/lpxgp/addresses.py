"""Every address of the product, read from the URL resolver, so that new ones are tested by themselves."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver

PLACEHOLDERS: dict[str, str] = {"uuid": str(uuid.UUID(int=7)), "int": "7", "slug": "x", "str": "x", "path": "x"}


@dataclass(frozen=True)
class Address:
    """One route: its full template such as ``people/<uuid:pk>/``, its name, and its converters by argument."""

    route: str
    name: str
    converters: tuple[tuple[str, str], ...]

    def filled(self, values: dict[str, str]) -> str:
        """The path with its arguments replaced by ``values``; arguments without one get a placeholder."""
        path = self.route
        for argument, kind in self.converters:
            value = values.get(argument, PLACEHOLDERS[kind])
            path = re.sub(rf"<(?:\w+:)?{argument}>", value, path)
        return "/" + path


def addresses() -> Iterator[Address]:
    """All of them but regular-expression routes (allauth's and the admin's), which fill in no converter."""
    yield from _walk(get_resolver(), "", "")


def every_address() -> list[str]:
    """A path for each of them, placeholders filled in."""
    return sorted({address.filled({}) for address in addresses()})


def _walk(resolver: URLResolver, prefix: str, namespace: str) -> Iterator[Address]:
    for entry in resolver.url_patterns:
        route = str(entry.pattern)
        if route.startswith("^") or "(?P" in route:
            continue
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from _walk(entry, prefix + route, inner)
        elif isinstance(entry, URLPattern):
            arguments = re.findall(r"<(?:(\w+):)?(\w+)>", prefix + route)
            converters = tuple((argument, kind or "str") for kind, argument in arguments)
            assert all(kind in PLACEHOLDERS for _, kind in converters), f"{route}: a converter without a placeholder"
            yield Address(prefix + route, f"{namespace}{entry.name or ''}", converters)
