"""How people sign in, as django-allauth asks: nobody signs up, Google and Microsoft only for who connected them before.

Sign-in grants nothing but sign-in: the OAuth clients that read data are others (integrations/providers).
https://docs.allauth.org/en/latest/account/adapter.html
"""

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest
from django.shortcuts import redirect

from integrations import tokens

log = structlog.get_logger("lpxgp.signin")


class AccountAdapter(DefaultAccountAdapter):
    """Members are added by staff or by an admin of their company: there is no sign-up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """Signs in by (provider, the provider's own user id), which only a signed-in session may connect.

    An equal e-mail address proves nothing: providers hand out addresses again, and let people claim them.
    """

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        return False

    def get_app(self, request: HttpRequest, provider: str, client_id: str | None = None) -> SocialApp:
        """The OAuth client. Raises Http404 where this installation has none: the provider is then not offered."""
        try:
            return super().get_app(request, provider, client_id)
        except SocialApp.DoesNotExist as error:
            raise Http404 from error

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Never. Raises ImmediateHttpResponse, which leads back to the sign-in page with the way that works."""
        label = sociallogin.provider.name
        messages.error(
            request,
            f"This {label} account is not connected to anybody here. Sign in with your e-mail address and password, "
            f"then connect {label} under Account connections; from then on it signs you in.",
        )
        raise ImmediateHttpResponse(redirect("account_login"))


class MfaAdapter(DefaultMFAAdapter):
    """Keeps the seeds of authenticator apps and recovery codes encrypted; allauth's own adapter stores them plain."""

    def encrypt(self, text: str) -> str:
        return tokens.encrypt(text.encode(), purpose="mfa", context="totp").decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        """The seed. Raises ValidationError, which the form shows, where its key is lost: nobody gets in without one."""
        try:
            return tokens.decrypt(encrypted_text.encode(), purpose="mfa", context="totp").decode()
        except tokens.CannotDecrypt as error:
            log.error("mfa_seed_unreadable", reason=str(error))
            raise ValidationError(
                "Your second factor cannot be read, because this installation lost the key it was stored with. "
                "Ask the people who run it to put the key back or to reset your second factor."
            ) from error
