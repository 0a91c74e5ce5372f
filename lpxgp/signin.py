"""How people sign in, as django-allauth asks: nobody signs up, and a provider's account opens what is known to be its.

Sign-in grants nothing but sign-in: the OAuth clients that read data are others (integrations/providers).
https://docs.allauth.org/en/latest/account/adapter.html
"""

from typing import Any, cast

import requests
import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthError, AuthProcess, Provider
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from integrations import tokens
from lpxgp.social import exchange
from relationships.models import User

log = structlog.get_logger("lpxgp.signin")


class AccountAdapter(DefaultAccountAdapter):
    """Members are added by staff or by an admin of their company: there is no sign-up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def post_login(
        self, request: HttpRequest, user: AbstractBaseUser, *, signal_kwargs: dict[str, Any] | None, **options: Any
    ) -> HttpResponse:
        """After the second factor, where there is one: bind the account that got in by its address to the user."""
        login = (signal_kwargs or {}).get("sociallogin")
        if login is not None and login.account.pk is None:
            login.connect(request, user)
        return cast(HttpResponse, super().post_login(request, user, signal_kwargs=signal_kwargs, **options))


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """Signs in by (provider, the provider's own id of the account), once that is bound to a user.

    It is bound from a signed-in session; or by the user's address, once, where the provider itself runs the mailbox:
    that proves no less than the mail that resets a password. See the providers in lpxgp.social.
    """

    def get_app(self, request: HttpRequest, provider: str, client_id: str | None = None) -> SocialApp:
        """The OAuth client. Raises Http404 where this installation has none: the provider is then not offered."""
        try:
            return super().get_app(request, provider, client_id)
        except SocialApp.DoesNotExist as error:
            raise Http404 from error

    def get_requests_session(self) -> requests.Session:
        return exchange.session()

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        """Never allauth's way, which erases the password of the user it finds: ours is ``pre_social_login``."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        if sociallogin.state.get("process") == AuthProcess.LOGIN and not sociallogin.is_existing:
            sociallogin.user = owner_of(sociallogin) or sociallogin.user

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Never. Raises ImmediateHttpResponse: a page that says what to do, the same whoever the address belongs to."""
        log.info("signin_refused", provider=sociallogin.account.provider)
        shown = {"provider": sociallogin.provider, "address": sociallogin.user.email}
        raise ImmediateHttpResponse(render(request, "socialaccount/refused.html", shown, status=403))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Provider,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Log what went wrong. Raises ImmediateHttpResponse where it was the person's own no."""
        log.warning("signin_failed", provider=provider.id, error=error, reason=str(exception or "")[:300])
        if error == AuthError.CANCELLED:
            state = (extra_context or {}).get("state") or {}
            messages.info(request, f"{provider.name} was told not to tell us who you are. Nothing has changed.")
            is_connecting = state.get("process") == AuthProcess.CONNECT
            raise ImmediateHttpResponse(redirect("socialaccount_connections" if is_connecting else "account_login"))


def owner_of(login: SocialLogin) -> User | None:
    """The user whose address the provider runs; None once another account of this provider is bound to that user.

    A user's address counts as proven: the firm's administrator set it, or a mail to it was answered.
    """
    addresses = [address.email for address in login.email_addresses if address.verified]
    users = User.objects.filter(email__in=addresses, is_active=True)
    return users.exclude(socialaccount__provider=login.account.provider).first()


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
