"""Writes THIRD_PARTY.md: ``.venv/bin/python docs/third_party.py``, in an environment with everything installed.

Names and versions are those that requirements*.txt pin; licences and pages are what each package says of itself.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "THIRD_PARTY.md"
PINNED = re.compile(r"^([\w.-]+)==([\w.]+)", re.MULTILINE)
LONGEST_LICENCE = 60
"""Characters above which a licence field holds the text of a licence instead of its name."""

HEAD = """# Third-party software

Made by `.venv/bin/python docs/third_party.py` from the metadata of the installed packages. Nothing of them is copied
into this repository. Licences are as the packages name them.

htmx (Zero-Clause BSD) reaches the browser with django-htmx; jQuery (MIT) and Select2 (MIT) reach the admin's pages with
Django. The public suffix list (MPL-2.0) comes with publicsuffixlist.
"""


@dataclass(frozen=True, order=True)
class Package:
    """A pinned package; ``is_product`` where the product runs on it, else only tests and linters need it."""

    name: str
    version: str
    is_product: bool


def pinned() -> list[Package]:
    """Every package of requirements.txt, and those of requirements-dev.txt that are not in it."""
    product = dict(PINNED.findall((ROOT / "requirements.txt").read_text()))
    tools = dict(PINNED.findall((ROOT / "requirements-dev.txt").read_text()))
    found = [Package(name, version, is_product=True) for name, version in product.items()]
    found += [Package(name, version, is_product=False) for name, version in tools.items() if name not in product]
    return sorted(found)


def licence(package: Distribution) -> str:
    """What the package says: an expression, a name, its classifiers, or else its licence file's first line."""
    if expression := _field(package, "License-Expression"):
        return expression
    named = _field(package, "License")
    classifiers = [one for one in package.metadata.get_all("Classifier") or [] if one.startswith("License ::")]
    if named and len(named) <= LONGEST_LICENCE and not named.startswith("Copyright"):
        return named
    if classifiers:
        return ", ".join(one.rsplit(" :: ", 1)[1] for one in classifiers)
    return _first_line_of_licence(package)


def _field(package: Distribution, name: str) -> str:
    return str(next(iter(package.metadata.get_all(name) or []), ""))


def _first_line_of_licence(package: Distribution) -> str:
    for file in package.files or []:
        if file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")):
            return next((line.strip() for line in file.read_text().splitlines() if line.strip()), "not named")
    return "not named"


def home(package: Distribution) -> str:
    """The address of its project, empty where it names none."""
    urls = dict(one.split(", ", 1) for one in package.metadata.get_all("Project-URL") or [])
    lowered = {label.lower(): address for label, address in urls.items()}
    wanted = ("homepage", "home", "source", "source code", "repository", "github", "documentation")
    return next((lowered[label] for label in wanted if label in lowered), _field(package, "Home-page"))


def table(packages: list[Package]) -> Iterator[str]:
    """Markdown rows."""
    yield "| Package | Version | Licence |"
    yield "| --- | --- | --- |"
    for one in packages:
        installed = distribution(one.name)
        address = home(installed)
        shown = f"[{one.name}]({address})" if address else one.name
        yield f"| {shown} | {one.version} | {licence(installed)} |"


def page() -> str:
    """The whole of THIRD_PARTY.md."""
    packages = pinned()
    lines = [HEAD, "## What the product runs on", ""]
    lines += table([one for one in packages if one.is_product])
    lines += ["", "## What tests and linters need besides", ""]
    lines += table([one for one in packages if not one.is_product])
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
