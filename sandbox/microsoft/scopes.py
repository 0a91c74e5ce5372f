"""The scopes the sandbox knows, in plain words for the consent page.

https://learn.microsoft.com/entra/identity-platform/scopes-oidc
https://learn.microsoft.com/graph/permissions-reference
"""

SIGN_IN = {
    "openid": "Sign you in",
    "profile": "See your name and account",
    "email": "See your e-mail address",
    "offline_access": "Keep the access you give it",
    "User.Read": "Read your profile",
}
"""What users may allow by themselves even where everything else needs an administrator."""
KNOWN = SIGN_IN | {
    "Calendars.ReadBasic": "See when your events are, without their text",
    "Calendars.Read": "Read your calendars",
    "Mail.ReadBasic": "See who wrote to whom and when, and the subjects, without the text of any mail",
    "Mail.Read": "Read your mail",
}
GRAPH = "https://graph.microsoft.com/"


def short_names(text: str) -> list[str]:
    """A space-joined scope parameter as Microsoft echoes it, in the order asked, each once."""
    return list(dict.fromkeys(name.removeprefix(GRAPH) for name in text.split()))


def full_names(scopes: list[str]) -> str:
    """Graph's scopes by their full names, as the administrator's consent returns them; those of sign-in have none."""
    return " ".join(scope if scope.islower() else f"{GRAPH}{scope}" for scope in scopes)
