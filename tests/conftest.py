"""People and companies for every test: alice and bob are colleagues, charlie is a stranger, staff run it all."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.test import Client, TransactionTestCase
from django.test.utils import setup_databases, teardown_databases
from pytest_django import DjangoDbBlocker
from pytest_django.fixtures import Settings

from relationships import tenancy
from relationships.models import Company, CompanyDomain, User

pytest_plugins = [
    "tests.pretend_google",
    "tests.pretend_mail",
    "tests.pretend_microsoft",
    "tests.pretend_crm",
    "tests.pretend_signin",
]

DATABASE_FIXTURES = {"db", "transactional_db", "live_server"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that can reach the database: pytest-django forbids it to all others."""
    for item in items:
        is_case = issubclass(getattr(item, "cls", None) or object, TransactionTestCase)
        fixtures = getattr(item, "fixturenames", [])
        if is_case or item.get_closest_marker("django_db") or DATABASE_FIXTURES.intersection(fixtures):
            item.add_marker("database")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file, as in production: the memory one shares a cache, whose table locks no timeout waits for."""
    named = connection.settings_dict["TEST"]
    if connection.vendor == "sqlite":
        named["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
    else:
        named["NAME"] = f"test_{connection.settings_dict['NAME']}"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The database of the tests, made for those of the processes too, and its ``pattern`` before any test wrote."""
    is_sqlite = connection.vendor == "sqlite"
    is_made = connection.settings_dict["NAME"] == connection.creation._get_test_db_name()  # type: ignore[attr-defined]
    with django_db_blocker.unblock():
        made = [] if is_made else setup_databases(0, interactive=False, aliases={"default": True})
        name = connection.settings_dict["NAME"]
        if is_sqlite:
            connection.ensure_connection()
            with closing(sqlite3.connect(f"{name}.pattern")) as copy:
                connection.connection.backup(copy)
        else:
            connection.close()
            execute_outside(f'CREATE DATABASE "{name}_pattern" TEMPLATE "{name}"')
    yield
    with django_db_blocker.unblock():
        if not is_sqlite:
            execute_outside(f'DROP DATABASE "{name}_pattern" WITH (FORCE)')
            # Processes that the last test killed may have left children, which end a moment later.
            connection.close()
            execute_outside(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        teardown_databases(made, 0)


def execute_outside(statement: str) -> None:
    """Run a statement that needs a connection to some database, but to no particular one."""
    with connection._nodb_cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture(scope="session")
def pattern(django_db_setup: None) -> str:
    """The name of a database with all tables: copying it takes a tenth of a second, migrating another nine."""
    return connection.settings_dict["NAME"] + (".pattern" if connection.vendor == "sqlite" else "_pattern")


@pytest.fixture(scope="session", autouse=True)
def passwords_are_quick() -> Iterator[None]:
    """A password costs one round of hashing, not the third of a second that keeps thieves out.

    It is hashed as ever, and says its rounds: the real processes that some tests start can check it too.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PBKDF2PasswordHasher, "iterations", 1)
        yield


@pytest.fixture(autouse=True)
def static_files_are_found_when_asked_for(settings: Settings) -> None:
    """Not all of them before the first request of each client, which would be in nearly every test."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def reads_at_once(settings: Settings) -> None:
    """Mail is read as soon as it was found, but where a test is about the plan that is shown before."""
    settings.MAIL_PLAN_SECONDS = 0


@pytest.fixture
def acme(db: None) -> Company:
    company = Company.objects.create(name="Acme Partners", time_zone="Europe/Zurich")
    CompanyDomain.unscoped.create(company=company, domain="acme.example")
    return company


@pytest.fixture
def zenith(db: None) -> Company:
    company = Company.objects.create(name="Zenith Capital")
    CompanyDomain.unscoped.create(company=company, domain="zenith.example")
    return company


@pytest.fixture
def alice(acme: Company) -> User:
    return User.objects.create_user("alice@acme.example", "a-long-password", company=acme, name="Alice Ash")


@pytest.fixture
def bob(acme: Company) -> User:
    return User.objects.create_user("bob@acme.example", "a-long-password", company=acme, name="Bob Birch")


@pytest.fixture
def charlie(zenith: Company) -> User:
    return User.objects.create_user("charlie@zenith.example", "a-long-password", company=zenith, name="Charlie Cole")


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_superuser("staff@lpxgp.example", "a-long-password", name="Sam Staff")


@pytest.fixture
def in_acme(acme: Company) -> Iterator[Company]:
    """Run the test within Acme, as its members' pages and jobs do."""
    with tenancy.within(acme.pk):
        yield acme


@pytest.fixture
def as_alice(client: Client, alice: User) -> Client:
    client.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def as_staff(staff: User) -> Client:
    client = Client()
    client.force_login(staff, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client
