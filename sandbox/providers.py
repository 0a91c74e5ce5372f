"""What a pretend provider gives the sandbox, and how the sandbox finds it."""

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from werkzeug.wrappers import Request, Response

import sandbox
from sandbox.faults import Fault
from sandbox.pages.tables import Cell
from sandbox.world import ProviderState, World


@dataclass(frozen=True)
class Call:
    """One request on its way to a view. ``answer`` answers another, such as a part of a batch, without latency."""

    world: World
    request: Request
    operation: str
    args: Mapping[str, str]
    answer: Callable[[Request], Response]


View = Callable[[Call], Response]
Control = Callable[[World, Request], Any]
Gate = Callable[[Call], AbstractContextManager[Response | None]]


@dataclass(frozen=True, eq=False)
class Route:
    """A path of the pretend provider. ``operation`` names it for faults and the record of requests.

    An empty one is a page for people: no fault befalls it, and no record is kept of it.
    """

    method: str
    path: str
    operation: str
    view: View


@dataclass(frozen=True)
class Table:
    """A part of the sandbox's front page."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, eq=False)
class Provider:
    """A pretend provider: a module of this package holds one as ``PROVIDER``.

    ``fault`` says a fault in the provider's own words; ``account_of`` tells whose call a request is ("" when it
    cannot); ``controls`` maps "METHOD path" below /control/<slug>/ to a function that returns JSON; ``canonical``
    turns a path that the provider takes in several spellings into the one of its routes, and leaves others alone;
    ``gate`` is open while a call is answered, time on the way included, and may hold the refusal of it.
    """

    slug: str
    routes: Sequence[Route]
    new_state: Callable[[World], ProviderState]
    fault: Callable[[Fault, str], Response]
    account_of: Callable[[World, Request], str]
    controls: Mapping[str, Control] = field(default_factory=dict)
    overview: Callable[[World], Sequence[Table]] = lambda world: ()
    canonical: Callable[[str], str] = lambda path: path
    gate: Gate = lambda call: nullcontext()


def find_providers() -> list[Provider]:
    """Every provider of this package, by slug."""
    modules = (import_module(f"sandbox.{found.name}") for found in pkgutil.iter_modules(sandbox.__path__))
    found = (getattr(module, "PROVIDER", None) for module in modules)
    return sorted((each for each in found if isinstance(each, Provider)), key=lambda each: each.slug)
