"""Both pretend CRMs under one roof: what people do in them, and the adapter that looks at it over real HTTP."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.test import override_settings

from crm import hubspot, salesforce
from crm.contract import Change, CrmAdapter, Link, Record, Value, Wanted
from integrations import outbound, providers
from sandbox.server import Sandbox
from tests.sandbox.hubspot_app import App, installed
from tests.sandbox.person import Scene
from tests.sandbox.salesforce import ANNA, BEN, HOST, Lab

SALESFORCE_FIELDS = {
    "name": "Name",
    "city": "BillingCity",
    "last": "LastName",
    "first": "FirstName",
    "email": "Email",
    "title": "Title",
    "text": "Body",
    "subject": "Subject",
    "body": "Description",
}
HUBSPOT_FIELDS = {
    "name": "name",
    "city": "city",
    "last": "lastname",
    "first": "firstname",
    "email": "email",
    "title": "jobtitle",
    "text": "hs_note_body",
    "subject": "hs_task_subject",
    "body": "hs_task_body",
}


@dataclass
class World:
    """One pretend CRM with an account of its own; ``fields`` are its names of what the tests speak of."""

    slug: str
    adapter: CrmAdapter
    link: Link
    scene: Scene
    fields: Mapping[str, str]
    desk: Any

    def wanted(self, kind: str, *names: str, cursor: str = "", page: str = "") -> Wanted:
        return Wanted(self.adapter.objects[kind], tuple(self.fields[name] for name in names), cursor, page)

    def named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by the CRM's names."""
        return {self.fields[name]: value for name, value in values.items()}

    def change(self, kind: str, external_id: str = "", **values: Value) -> Change:
        """A change of a record of a kind; its creation without an id."""
        object = self.adapter.objects[kind]
        return Change(str(uuid4()), object, self.named(values), external_id, planned_at=datetime.now(UTC))

    def everything(self, wanted: Wanted, *, is_first: bool = False) -> tuple[list[Record], str]:
        """All pages; the records and the next cursor."""
        found: list[Record] = []
        for _ in range(1000):
            page = (self.adapter.listing if is_first else self.adapter.changes)(self.link, wanted)
            assert page.unreadable == ()
            found += page.records
            if not page.next_page:
                return found, page.next_cursor
            wanted = replace(wanted, page=page.next_page)
        raise AssertionError("the pages never end")

    def spoil(self, operation: str, kind: str, **more: Any) -> None:
        """The next call of an operation goes wrong."""
        self.scene.post("faults", operation=f"{self.slug}.{operation}", kind=kind, **more)

    def forget_calls(self) -> None:
        """Count from here on."""
        self.scene.http.delete(f"{self.scene.url}/control/requests", timeout=20)

    def calls(self) -> dict[str, int]:
        """How often each operation was called."""
        counts: dict[str, int] = self.scene.get("requests")["counts"]
        return {name.removeprefix(f"{self.slug}."): count for name, count in counts.items()}

    def create(self, kind: str, parent: str = "", **values: Any) -> str:
        """A person makes a record in the CRM; its id."""
        object, named = self.adapter.objects[kind], self.named(values)
        if self.slug == "salesforce":
            ids: list[str] = self.desk.create(object, named | ({"AccountId": parent} if parent else {}), silent=True)
            return ids[0]
        record_id = self.desk.put(object, **named)
        if parent:
            self.desk.plain(
                str(self.link.http.headers["Authorization"]).removeprefix("Bearer "),
                "PUT",
                f"/crm/v4/objects/{object}/{record_id}/associations/default/companies/{parent}",
            )
        return str(record_id)

    def update(self, kind: str, record_id: str, **values: Any) -> None:
        """A person changes it."""
        if self.slug == "salesforce":
            self.desk.order(
                "records/update",
                id=record_id,
                fields=self.named(values),
                silent=True,
                object=self.adapter.objects[kind],
            )
        else:
            self.desk.change(record_id, self.adapter.objects[kind], **self.named(values))

    def delete(self, kind: str, record_id: str) -> None:
        """A person deletes it."""
        if self.slug == "salesforce":
            self.desk.order("records/delete", id=record_id, silent=True, object=self.adapter.objects[kind])
        else:
            self.desk.control("records/archive", type=self.adapter.objects[kind], ids=[record_id], silent=True)

    def merge(self, kind: str, winner: str, loser: str) -> None:
        """A person merges two; at HubSpot a third record takes their place."""
        if self.slug == "salesforce":
            self.desk.order(
                "records/merge", winner=winner, losers=[loser], silent=True, object=self.adapter.objects[kind]
            )
        else:
            self.desk.control(
                "records/merge", type=self.adapter.objects[kind], primary=winner, other=loser, silent=True
            )

    def held(self, kind: str, record_id: str) -> dict[str, Any]:
        """What the CRM holds of a record, whoever may see it."""
        object = self.adapter.objects[kind]
        if self.slug == "salesforce":
            return dict(self.desk.shown(object, record_id)[0])
        return dict(self.desk.stored(object)[record_id]["properties"])

    def count(self, kind: str) -> int:
        """How many records of a kind there are."""
        object = self.adapter.objects[kind]
        return len(self.desk.shown(object)) if self.slug == "salesforce" else len(self.desk.stored(object))

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock, and sign in anew: what was signed in ran out meanwhile."""
        self.scene.post("clock", advance_seconds=seconds)
        self.sign_in()

    def sign_in(self) -> None:
        """Take a new access token."""
        token = self.desk.token() if self.slug == "salesforce" else self.desk.link()
        self.link.http.headers["Authorization"] = f"Bearer {token['access_token']}"


@contextmanager
def opened(slug: str) -> Iterator[World]:
    """A CRM of one's own, linked."""
    with Sandbox() as sandbox:
        scene = Scene(sandbox.url)
        origins = {
            "https://login.salesforce.com": f"{sandbox.url}/salesforce/login.salesforce.com",
            "https://*.my.salesforce.com": f"{sandbox.url}/salesforce/{{host}}",
            "https://api.hubapi.com": f"{sandbox.url}/hubspot-api",
        }
        with override_settings(PROVIDER_ORIGINS=origins):
            world = _salesforce(scene) if slug == "salesforce" else _hubspot(scene)
            with world.link.http:
                yield world
        scene.http.close()


def _salesforce(scene: Scene) -> World:
    users = [{"username": ANNA, "name": "Anna Ash"}, {"username": BEN, "name": "Ben Birch", "profile": "Standard User"}]
    lab = Lab(scene, scene.post("salesforce/orgs", org=HOST, name="Acme", users=users))
    token = lab.token()
    user_id = token["id"].rpartition("/")[2]
    details = {"instance_url": f"https://{HOST}", "user_id": user_id, "account_name": "Acme"}
    http = outbound.session(providers.get("salesforce"), token["access_token"])
    link = Link(http, lab.org["id"], details)
    return World("salesforce", salesforce.adapter, link, scene, SALESFORCE_FIELDS, lab)


def _hubspot(scene: Scene) -> World:
    app: App = installed(scene)
    http = outbound.session(providers.get("hubspot"), app.link()["access_token"])
    app_id = scene.get(f"hubspot/clients/app?client_id={app.client_id}")["app_id"]
    link = Link(http, str(app.portal), {"account_name": "Acme", "app_id": str(app_id)})
    return World("hubspot", hubspot.adapter, link, scene, HUBSPOT_FIELDS, app)
