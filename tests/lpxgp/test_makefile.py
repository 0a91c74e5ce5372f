"""What a newcomer types, and what the image runs, without typing or running all of it."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import image_commands

ROOT = Path(__file__).resolve().parent.parent.parent


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.fixture
def makefile() -> str:
    return (ROOT / "Makefile").read_text()


@pytest.fixture
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


class Strict(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, as container engines do."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if key.value != "<<"]
        assert len(names) == len(set(names)), f"{node.start_mark}: a key stands there twice"
        return super().construct_mapping(node, deep)


@pytest.fixture
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((ROOT / "compose.yaml").read_text(), Strict)  # noqa: S506 a SafeLoader
    return loaded


def test_make_alone_lists_every_target(makefile: str) -> None:
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    shown = make().stdout
    assert [target for target in phony[1].split() if f"make {target} " not in f"make help {shown}"] == []


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A python3 whose answers the test writes as shell."""
    path = tmp_path / "python3"
    path.touch(mode=0o755)
    return path


def test_a_python_that_is_too_old_is_named(python: Path, tmp_path: Path) -> None:
    python.write_text("#!/bin/sh\nexit 1\n")
    ended = make("demo", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
    assert ended.returncode != 0
    assert "older than 3.11" in ended.stdout


def test_a_python_without_venv_is_told_what_to_install(python: Path, tmp_path: Path) -> None:
    python.write_text('#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\n')
    ended = make("demo", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
    assert ended.returncode != 0
    assert "python3-venv" in ended.stdout


def test_the_gate_is_a_script_that_bash_can_read() -> None:
    gate = ROOT / ".ci" / "run"
    assert gate.stat().st_mode & 0o111
    assert subprocess.run([shutil.which("bash") or "bash", "-n", str(gate)]).returncode == 0


def test_the_gate_runs_everything() -> None:
    gate = (ROOT / ".ci" / "run").read_text()
    for command in ("make lint", "make test", "make demo-check", "tests/image_commands.py", "REQUIRE_POSTGRES=1"):
        assert command in gate


def test_web_and_worker_share_one_image_that_cannot_be_written(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"migrate", "web", "worker", "postgres"}
    for name in ("migrate", "web", "worker"):
        assert services[name]["image"] == services["web"]["image"]
        assert services[name]["read_only"] is True
        assert "no-new-privileges:true" in services[name]["security_opt"]


def test_every_secret_file_is_named_mounted_and_explained(compose: dict[str, Any]) -> None:
    web, guide = compose["services"]["web"], (ROOT / "docs" / "deploy.md").read_text()
    named = {path.rpartition("/")[2] for name, path in web["environment"].items() if name.endswith("_FILE")}
    assert named == set(web["secrets"]) <= set(compose["secrets"])
    assert [name for name in compose["secrets"] if f"secrets/{name}" not in guide] == []


def test_secrets_come_as_files(compose: dict[str, Any]) -> None:
    given = compose["services"]["web"]["environment"]
    assert not [
        name for name in given if re.search("SECRET|KEY|PASSWORD|DATABASE", name) and not name.endswith("_FILE")
    ]


def test_the_image_is_run_by_nobody_special_and_says_how_it_is(dockerfile: str) -> None:
    assert re.search(r"^USER 10001$", dockerfile, re.MULTILINE)
    assert "HEALTHCHECK" in dockerfile
    assert "/livez" in dockerfile
    assert "--require-hashes" in dockerfile
    assert "--only-binary :all:" in dockerfile
    assert not re.search(r"^(ENV|ARG).*(SECRET|KEY|PASSWORD)", dockerfile, re.MULTILINE)


def test_the_image_and_compose_start_the_same_server(compose: dict[str, Any]) -> None:
    assert compose["services"]["web"]["command"] == image_commands.image_command()
