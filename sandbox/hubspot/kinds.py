"""The kinds of records: contacts, companies, and what is logged about them.

https://developers.hubspot.com/docs/api-reference/crm-understanding-the-crm
"""

from dataclasses import dataclass

PEOPLE_STAMP, OTHER_STAMP = "lastmodifieddate", "hs_lastmodifieddate"


@dataclass(frozen=True)
class Kind:
    """``stamp`` and ``created`` name the properties that hold when a record was changed and made.

    ``defaults`` are shown when nobody names properties, ``searched`` are what a query looks into, ``required`` must be
    set at creation, ``needs_one`` of at least one name. ``scope`` is the part of ``crm.objects.…`` that lets one in.
    """

    name: str
    singular: str
    type_id: str
    stamp: str
    created: str
    defaults: tuple[str, ...]
    searched: tuple[str, ...]
    required: tuple[str, ...]
    needs_one: tuple[str, ...]
    scope: str

    @property
    def is_engagement(self) -> bool:
        """Whether it is logged about a contact or a company."""
        return self.scope == "contacts" and self.name != "contacts"

    @property
    def base(self) -> tuple[str, ...]:
        """What is shown whatever was asked for."""
        return (self.created, "hs_object_id", self.stamp)


def engagement(name: str, singular: str, type_id: str, searched: tuple[str, ...]) -> Kind:
    """A kind of engagement: its time is required, contacts' permissions are enough for it."""
    return Kind(
        name, singular, type_id, OTHER_STAMP, "hs_createdate", (), searched, ("hs_timestamp",), (), scope="contacts"
    )


KINDS = {
    one.name: one
    for one in (
        Kind(
            "contacts",
            "contact",
            "0-1",
            PEOPLE_STAMP,
            "createdate",
            ("email", "firstname", "lastname"),
            ("firstname", "lastname", "email", "hs_additional_emails", "phone", "company"),
            (),
            ("email", "firstname", "lastname"),
            scope="contacts",
        ),
        Kind(
            "companies",
            "company",
            "0-2",
            OTHER_STAMP,
            "createdate",
            ("domain", "name"),
            ("name", "domain", "website", "phone"),
            (),
            ("name", "domain"),
            scope="companies",
        ),
        engagement("notes", "note", "0-46", ("hs_note_body",)),
        engagement("tasks", "task", "0-27", ("hs_task_subject", "hs_task_body")),
        engagement("meetings", "meeting", "0-47", ("hs_meeting_title", "hs_meeting_body")),
        engagement("calls", "call", "0-48", ("hs_call_title", "hs_call_body")),
        engagement("emails", "email", "0-49", ("hs_email_subject",)),
    )
}
SPELLINGS = {spelling: kind.name for kind in KINDS.values() for spelling in (kind.name, kind.singular, kind.type_id)}
"""Every way to say a kind in a path."""
