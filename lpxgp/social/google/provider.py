"""Google as allauth's provider: when it answers for an address, and the way to its consent page.

https://developers.google.com/identity/openid-connect/openid-connect
"""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.providers.google.provider import GoogleProvider as AllauthGoogle
from allauth.socialaccount.providers.google.views import GoogleOAuth2Adapter
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView

from lpxgp.social import exchange

KEPT = ("email", "name", "hd")


class GoogleAdapter(GoogleOAuth2Adapter):
    client_class = exchange.Client


class GoogleProvider(exchange.OnlyAsConfigured, AllauthGoogle):
    """Reads Google's claims."""

    oauth2_adapter_class = GoogleAdapter
    refusal = "The address of a Google account lets you in only where Google itself runs that mailbox."
    note = "Where Google runs your mailbox, your Google account connects itself when you sign in with it."

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        return {name: data[name] for name in KEPT if name in data}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[EmailAddress]:
        """The account's address, verified where Google runs the mailbox: a Workspace's, or gmail.com's.

        With any other address Google only knows that somebody could read it once: it may have changed hands since.
        https://developers.google.com/identity/gsi/web/guides/verify-google-id-token
        """
        email = str(data.get("email") or "").lower()
        is_verified = (data.get("email_verified") or data.get("verified_email")) is True
        is_run_by_google = bool(data.get("hd")) or email.endswith("@gmail.com")
        return [EmailAddress(email=email, verified=is_verified and is_run_by_google, primary=True)] if email else []


login = OAuth2LoginView.adapter_view(GoogleAdapter)
callback = OAuth2CallbackView.adapter_view(GoogleAdapter)
provider_classes = [GoogleProvider]
