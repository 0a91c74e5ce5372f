"""Microsoft as allauth's provider: who somebody is by the ID token, without asking for a permission of Graph.

https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference
"""

import re
from typing import Any

import jwt
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.microsoft.provider import MicrosoftGraphProvider
from allauth.socialaccount.providers.microsoft.views import MicrosoftGraphOAuth2Adapter
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.http import HttpRequest

from lpxgp.social import exchange

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KEPT = ("oid", "tid", "name", "preferred_username")


class MicrosoftAdapter(MicrosoftGraphOAuth2Adapter):
    """allauth's own asks Graph for /me, which needs the permission User.Read."""

    client_class = exchange.Client

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        claims = read_claims(str(kwargs["response"].get("id_token", "")), app.client_id)
        login: SocialLogin = self.get_provider().sociallogin_from_response(request, claims)
        return login


class MicrosoftProvider(exchange.OnlyAsConfigured, MicrosoftGraphProvider):
    """Knows an account by tenant and object id. No address is ever verified.

    The administrator of any tenant can write any address into an account ("nOAuth"), so ``email`` and
    ``preferred_username`` are names to show and nothing else.
    https://learn.microsoft.com/entra/identity-platform/migrate-off-email-claim-authorization
    """

    oauth2_adapter_class = MicrosoftAdapter
    refusal = "Microsoft does not vouch for an account's address, so an equal address is not enough."

    def extract_uid(self, data: dict[str, Any]) -> str:
        return f"{data['tid']}.{data['oid']}"

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        return {name: data[name] for name in KEPT if name in data}

    def extract_common_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"email": data.get("preferred_username"), "name": data.get("name")}


def read_claims(id_token: str, client_id: str) -> dict[str, Any]:
    """The ID token's claims. Raises OAuth2Error unless it is for us, in time, and from the tenant it names.

    Its signature may go unchecked, because it came straight from Microsoft's token endpoint over TLS:
    https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            id_token,
            audience=client_id,
            options={"verify_signature": False, "verify_aud": True, "verify_exp": True, "require": ["exp", "aud"]},
        )
    except jwt.PyJWTError as error:
        raise OAuth2Error(f"Microsoft's ID token cannot be used: {error}") from error
    tenant, account = str(claims.get("tid", "")), str(claims.get("oid", ""))
    if not GUID.fullmatch(tenant) or not GUID.fullmatch(account):
        raise OAuth2Error("Microsoft's ID token names no account.")
    if claims.get("iss") != f"https://login.microsoftonline.com/{tenant}/v2.0":
        raise OAuth2Error("Microsoft's ID token is not from the tenant it names.")
    return claims


login = OAuth2LoginView.adapter_view(MicrosoftAdapter)
callback = OAuth2CallbackView.adapter_view(MicrosoftAdapter)
provider_classes = [MicrosoftProvider]
