"""The lines of a standard mapping, as an adapter's package writes them down."""

from typing import Any


def line(ours: str, theirs: str, direction: str = "to_crm", transform: dict[str, Any] | None = None) -> dict[str, Any]:
    """One line; ``theirs`` is object and field. Contact data is the CRM's where both changed it, all else ours."""
    crm_object, _, crm_field = theirs.partition(".")
    return {
        "lpxgp_field": ours,
        "crm_object": crm_object,
        "crm_field": crm_field,
        "sync_direction": direction,
        "conflict_rule": "ours_wins" if direction == "to_crm" else "crm_wins",
        "write_mode": "always",
        "transform": transform or {},
    }
