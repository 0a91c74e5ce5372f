"""What no page can make sense of is answered 400 before the database sees it."""

import pytest
from django.test import Client


@pytest.mark.parametrize(
    "request_with_nul",
    [
        {"path": "/accounts/login/?next=%00"},
        {"path": "/people/%00"},
        {"path": "/accounts/login/", "headers": {"Cookie": 'sessionid="aaaaaaaaaaaaaaaa\\000"'}},
        {"path": "/accounts/login/", "headers": {"User-Agent": "\0"}},
    ],
    ids=["query", "path", "cookie", "browser"],
)
def test_nul_is_refused_wherever_every_page_reads_it(client: Client, request_with_nul: dict[str, str]) -> None:
    assert client.get(**request_with_nul).status_code == 400  # type: ignore[arg-type]


def test_a_percent_sign_before_two_noughts_is_no_nul(client: Client, db: None) -> None:
    assert client.get("/accounts/login/?next=%2500").status_code == 200


@pytest.mark.parametrize("query", ["q=" + "a" * 60_000, "term=" + "a" * 60_000, "_to_field="])
def test_the_admin_refuses_what_it_would_fail_on(as_staff: Client, query: str) -> None:
    assert as_staff.get(f"/admin/relationships/person/?{query}").status_code == 400
