"""The rules of the house as code: who may import whom, how long a file may grow, what must exist."""

import ast
import pkgutil
import pydoc
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from lpxgp.schedules import SCHEDULES

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {"relationships": 0, "integrations": 1, "webhooks": 2, "crm": 2, "lpxgp": 3}
OURS = [*FLOORS, "sandbox", "tests", "benchmarks"]
PROVIDER_NAMES = re.compile(r"(?<![a-z])(google|microsoft|outlook|salesforce|hubspot)(?![a-z])", re.IGNORECASE)
ADDRESS = re.compile(r"https?://\S+|[\w.-]+\.com\b")
"""Addresses and mail domains may hold a name: whoever cites them does not decide by it."""
ADAPTER_STEMS = {"google", "gmail", "microsoft", "outlook", "salesforce", "hubspot"}
NO_NAMES = {"utils", "helpers", "common", "services", "managers", "handlers"}


def files(*rooms: str) -> list[Path]:
    found = [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]
    return [path for path in found if "migrations" not in path.parts]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(node: ast.AST) -> Iterator[str]:
    """Dotted names that this node imports; ``from a import b`` gives a.b."""
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module or ''}.{name.name}" for name in node.names)


def imported(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree(path)):
        yield from ((name, getattr(node, "lineno", 0)) for name in imports(node))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def is_adapter(path: Path) -> bool:
    return path.stem in ADAPTER_STEMS or path.parent.name in {"providers", *ADAPTER_STEMS}


def translators() -> list[Path]:
    """Providers and adapters: they translate and touch no ORM."""
    return [path for path in files("integrations", "crm") if is_adapter(path) and path.parent != ROOT / "integrations"]


def slugs() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules([str(ROOT / "integrations/providers")]))


def test_imports_point_down() -> None:
    """Four floors: lpxgp, then webhooks and crm side by side, then integrations, and relationships on the ground."""
    wrong = []
    for path in files(*FLOORS):
        for name, line in imported(path):
            here, there = room_of(path), name.split(".")[0]
            if there in FLOORS and there != here and FLOORS[there] >= FLOORS[here]:
                wrong.append(f"{place(path, line)} imports {name}")
    assert wrong == []


def test_the_sandbox_stands_apart() -> None:
    """It imports nothing of the product, and of the product only the settings name it."""
    wrong = [f"{place(p, line)} {n}" for p in files("sandbox") for n, line in imported(p) if n.split(".")[0] in FLOORS]
    wrong += [
        f"{place(p, line)} {n}" for p in files(*FLOORS) for n, line in imported(p) if n.split(".")[0] == "sandbox"
    ]
    assert wrong == []


def test_imports_stand_at_the_top() -> None:
    """No import inside a function or behind TYPE_CHECKING: what needs one is a ring, and rings are taken apart."""
    hidden = [
        place(path, inner.lineno)
        for path in files(*OURS)
        for outer in ast.walk(tree(path))
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.If)
        for inner in ast.walk(outer)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []


def job_paths() -> Iterator[tuple[str, str]]:
    """Every dotted path that is queued or scheduled, and where that stands."""
    for periodic in SCHEDULES:
        yield periodic.job, f"schedule {periodic.name}"
    for path in files(*FLOORS):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("async_task"):
                job = node.args[0]
                yield (str(job.value) if isinstance(job, ast.Constant) else ast.unparse(job)), place(path, node.lineno)


@pytest.mark.parametrize(("job", "where"), sorted(set(job_paths())))
def test_a_job_path_leads_to_a_function(job: str, where: str) -> None:
    """Also shows that jobs are queued by a literal path: objects would be pickled into the queue."""
    assert callable(pydoc.locate(job)), f"{where} names {job}, which is no function"


def test_jobs_carry_nothing_but_text() -> None:
    """A job takes ids: its other arguments are str(...), never rows or keyword options."""
    wrong = [
        place(path, node.lineno)
        for path in files(*FLOORS)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("async_task")
        for argument in [*node.args[1:], *node.keywords]
        if not (isinstance(argument, ast.Call) and ast.unparse(argument.func) == "str")
    ]
    assert wrong == []


def test_adapters_and_providers_touch_no_orm() -> None:
    wrong = [
        f"{place(path, line)} imports {name}"
        for path in translators()
        for name, line in imported(path)
        if name.startswith("django.db") or "models" in name.split(".")
    ]
    assert wrong == []


def test_no_file_outgrows_its_ceiling() -> None:
    """A file that does becomes a folder of the same name with the same importable names."""
    too_long = []
    for path in files(*OURS):
        ceiling = 600 if path.stem == "models" or is_adapter(path) else 500
        if (lines := len(path.read_text().splitlines())) > ceiling:
            too_long.append(f"{path.relative_to(ROOT)} has {lines} lines, {ceiling} are allowed")
    assert too_long == []


def test_a_module_is_named_by_its_subject() -> None:
    assert [str(path) for path in files(*OURS) if NO_NAMES & {path.stem, *path.relative_to(ROOT).parts}] == []


@pytest.mark.parametrize("slug", slugs())
def test_a_provider_comes_with_sandbox_fixtures_and_tests(slug: str) -> None:
    assert (ROOT / "sandbox" / f"{slug}.py").exists() or (ROOT / "sandbox" / slug / "__init__.py").exists()
    assert any((ROOT / "tests" / "fixtures" / slug).glob("*")), f"tests/fixtures/{slug} is missing or empty"
    assert list((ROOT / "tests").rglob(f"test_{slug}*.py")), f"no tests/**/test_{slug}*.py"


def test_the_engine_knows_no_provider_by_name() -> None:
    """A second provider must touch no shared file. Comments count: a rule for one provider belongs to its module."""
    engine = [path for path in files("relationships", "integrations", "webhooks", "crm") if not is_adapter(path)]
    wrong = [
        f"{place(path, number)} {line.strip()}"
        for path in engine
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if PROVIDER_NAMES.search(ADDRESS.sub("", line))
    ]
    assert wrong == []


def test_sync_code_compares_lower_cased_values() -> None:
    """iexact cannot use an index: addresses and domains are stored lower-cased and compared as they are."""
    wrong = [
        str(path)
        for path in files("relationships", "integrations", "webhooks", "crm")
        if path.stem != "admin" and "__iexact" in path.read_text()
    ]
    assert wrong == []
