"""Background jobs of mail, started by dotted path and a primary key. Each may run twice, and be killed anywhere."""

import uuid

from integrations.email import saved


def fetch_text(saved_id: str) -> None:
    """Fetch the text of a mail that its owner saves."""
    saved.fetch(uuid.UUID(saved_id))
