"""Every address answers a visitor without an error of ours and with the headers that browsers heed."""

import pytest
from django.test import Client

from tests.lpxgp.addresses import every_address


@pytest.mark.parametrize("address", [*every_address(), "/livez", "/readyz", "/no/such/page"])
def test_headers(client: Client, db: None, address: str) -> None:
    response = client.get(address)
    assert response.status_code < 500, response.content
    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]
