"""The documentation tells the truth where a machine can see it: links, settings, commands, tests, licences."""

import ast
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import resolve

from lpxgp import environment, logs
from lpxgp.schedules import SCHEDULES

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "THIRD_PARTY.md"]
ROOMS = ["lpxgp", "webhooks", "integrations", "relationships", "sandbox"]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LATER = {"docs/images/today.png"}
"""Files that a page shows and that are made from the running product."""


def name(page: Path) -> str:
    return page.name


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """What its headings are linked by."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        linked = (page.parent / path).resolve() if path else page
        is_later = linked.is_relative_to(ROOT) and str(linked.relative_to(ROOT)) in LATER
        if not linked.exists() and not is_later or anchor and anchor not in anchors(linked):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


def named_paths(page: Path) -> set[str]:
    """Files and folders of the project that a page names."""
    rooms = "|".join([*ROOMS, "templates", "static", "tests", "docs", "benchmarks"])
    return set(re.findall(rf"`((?:{rooms})/[\w./-]*)`", page.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_are_named_exist(page: Path) -> None:
    # What is called acme is the example of a provider still to be written.
    named = {path for path in named_paths(page) if "acme" not in path}
    assert {path for path in named if not (ROOT / path).exists()} == set()


def variables_of_settings(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every name that lpxgp/settings.py asks for, also those that it asks for only where another one is set."""
    asked: set[str] = set()
    read = environment.read

    def spy(variable: str, *arguments: object) -> object:
        asked.add(variable)
        return read(variable, *arguments)  # type: ignore[arg-type]

    for slug in ("GOOGLE", "MICROSOFT"):
        monkeypatch.setenv(f"{slug}_SIGNIN_CLIENT_ID", "some-client")
    monkeypatch.setenv("DEBUG", "1")
    monkeypatch.setattr(environment, "read", spy)
    monkeypatch.setattr(logs, "configure", lambda *arguments, **options: None)
    runpy.run_path(str(ROOT / "lpxgp" / "settings.py"))
    return asked


def variables_asked_for_directly() -> Iterator[str]:
    """Names in ``os.environ.get("NAME")`` and ``os.environ["NAME"]``."""
    sources = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")] + [ROOT / "gunicorn.conf.py"]
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text())):
            key: ast.expr | None = None
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.environ.get":
                key = node.args[0]
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                key = node.slice
            if isinstance(key, ast.Constant):
                yield str(key.value)


def test_every_variable_is_explained_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "deploy.md").read_text(), re.MULTILINE)
    assert len(rows) == len(set(rows)), "a variable stands in two rows"
    assert set(rows) == variables_of_settings(monkeypatch) | set(variables_asked_for_directly())


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_that_are_named_exist(page: Path) -> None:
    named = set(re.findall(r"manage\.py ([a-z]\w*)", page.read_text()))
    assert named - set(get_commands()) == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_benchmarks_that_are_named_exist(page: Path) -> None:
    named = set(re.findall(r"-m benchmarks\.(\w+)", page.read_text()))
    assert {one for one in named if not (ROOT / "benchmarks" / f"{one}.py").exists()} == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_that_are_named_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z][\w-]*)", page.read_text(), re.MULTILINE))
    assert named - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_tests_that_are_named_exist(page: Path) -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    written = set(re.findall(r"def (test_\w+)", sources))
    assert set(re.findall(r"`(test_\w+)`", page.read_text())) - written == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_addresses_that_are_named_exist(page: Path) -> None:
    """Paths of the product that stand in backquotes."""
    heads = "settings|oauth|accounts|admin|webhooks|people|metrics|api"
    named = re.findall(rf"`(/(?:{heads})[\w/-]*)`", page.read_text())
    for path in named:
        resolve(path)


def test_metrics_that_are_named_exist_and_all_are() -> None:
    named = set(re.findall(r"`(lpxgp_\w+)`", (ROOT / "docs" / "operate.md").read_text()))
    assert named == set(re.findall(r'"(lpxgp_\w+)"', (ROOT / "lpxgp" / "metrics.py").read_text()))


def test_every_schedule_is_explained() -> None:
    told = re.findall(
        r"^\| (?:minute|5 minutes|hour|day) \| ([a-z -]+) \|", (ROOT / "docs" / "operate.md").read_text(), re.MULTILINE
    )
    assert sorted(told) == sorted(periodic.name for periodic in SCHEDULES)


def test_the_list_of_third_parties_is_what_is_pinned() -> None:
    """Made by ``python docs/third_party.py``. Names and versions: a licence changes with its version alone."""
    third_party = runpy.run_path(str(ROOT / "docs" / "third_party.py"))
    rows = [line.split(" | ") for line in third_party["PAGE"].read_text().splitlines() if line.startswith("| ")]
    listed = {(re.sub(r"^\| \[?([\w.-]+).*", r"\1", row[0]), row[1]) for row in rows}
    wanted = {(one.name, one.version) for one in third_party["pinned"]()}
    assert listed - {("Package", "Version"), ("---", "---")} == wanted
