"""The scopes the sandbox knows, in plain words for the consent page.

https://learn.microsoft.com/entra/identity-platform/scopes-oidc
"""

KNOWN = {
    "openid": "Sign you in",
    "profile": "See your name and account",
    "email": "See your e-mail address",
    "offline_access": "Keep the access you give it",
    "User.Read": "Read your profile",
}
GRAPH = "https://graph.microsoft.com/"


def short_names(text: str) -> list[str]:
    """A space-joined scope parameter as Microsoft echoes it, in the order asked, each once."""
    return list(dict.fromkeys(name.removeprefix(GRAPH) for name in text.split()))
