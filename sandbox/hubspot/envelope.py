"""What all batches have around them."""

from collections.abc import Sequence
from typing import Any

from sandbox.hubspot.access import Visit
from sandbox.hubspot.errors import invalid

Json = dict[str, Any]


def inputs_of(visit: Visit, most: int) -> list[Json]:
    """The inputs of a batch; ApiError 400 for none or too many."""
    inputs = visit.body.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(one, dict) for one in inputs):
        raise invalid("Invalid input JSON: inputs is required")
    if not 0 < len(inputs) <= most:
        raise invalid(f"The size of 'inputs' must be between 1 and {most}, but was {len(inputs)}")
    return inputs


def batch_answer(visit: Visit, results: Sequence[Json], errors: Sequence[Json] = ()) -> Json:
    """The answer; errors only where there are some."""
    now = visit.hubspot.now
    content: Json = {"status": "COMPLETE", "results": list(results), "startedAt": now, "completedAt": now}
    return content | ({"numErrors": len(errors), "errors": list(errors)} if errors else {})
