"""Why a record was not taken by the CRM, in causes that staff can act on, each with what to do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """One cause: what happened, and the fix, in plain words."""

    title: str
    remedy: str
    is_temporary: bool = False


CAUSES = {
    "no_permission": Cause(
        "The CRM does not let us write this field or record",
        "Ask the CRM's administrator to give the linked user access to it, then have it tried again.",
    ),
    "unknown_field": Cause(
        "The CRM has no such field, or hides it from us",
        "Refresh the field list and choose another field in the mapping, or ask the CRM's administrator to show it.",
    ),
    "missing_key_field": Cause(
        "The field that holds our key is missing in the CRM",
        "Press “Create the missing fields” on the mapping page, or ask the CRM's administrator to add it.",
    ),
    "required_missing": Cause(
        "A field that the CRM requires has no value",
        "Map a field of ours to it, or give the record here a value.",
    ),
    "bad_choice": Cause(
        "The CRM does not know this choice", "Add the value to the mapping's table of choices, or to the CRM's field."
    ),
    "too_long": Cause("The text is too long for the CRM's field", "Shorten it here, or map it to a longer field."),
    "bad_value": Cause(
        "The CRM refused the value", "Correct the value here, or choose another transform in the mapping."
    ),
    "rule": Cause(
        "A rule of the CRM refused the record",
        "The words are the CRM administrator's own: follow them, or ask for the rule to be changed.",
    ),
    "duplicate": Cause(
        "The CRM already has this record", "Link it to the record it found, or merge the two in the CRM."
    ),
    "parent_missing": Cause(
        "The firm or person it belongs to is not in the CRM", "It follows by itself once that record was written."
    ),
    "gone": Cause("The record was deleted in the CRM", "Restore it there, or leave it: nothing is deleted here."),
    "not_allowed_here": Cause(
        "Your company's settings do not allow writing it", "Add the firm to those that may be written."
    ),
    "loop": Cause(
        "It was written too often within a few minutes",
        "Something in the CRM changes it back each time. Look for a workflow there, then have it tried again.",
    ),
    "cannot_transform": Cause(
        "The mapping could not turn our value into the CRM's", "Correct the value, or change the transform."
    ),
    "busy": Cause("The CRM was busy with this record", "It is tried again by itself.", is_temporary=True),
    "limit": Cause("The CRM's allowance is used up", "It goes on by itself when there is more.", is_temporary=True),
    "unknown": Cause("The CRM refused it for a reason we do not know", "Its own words are below."),
}
"""By RecordError.cause and RecordLink.error_cause."""
