"""What every provider's consent page has: accounts to choose from, Allow and Deny."""

from html import escape

from werkzeug.wrappers import Response

from sandbox import pages


def nobody(why: str, banner: str) -> Response:
    """The page instead of accounts to choose from."""
    return pages.page("No accounts", f"<h1>No accounts</h1><p>{escape(why)}</p>", 200, banner)


def account(address: str, name: str, is_chosen: bool) -> str:
    """One radio button of the group ``account``."""
    checked = " checked" if is_chosen else ""
    return (
        f'<label class="choice"><input type="radio" name="account" value="{escape(address)}" required{checked}>'
        f"<span>{escape(name)}<small>{escape(address)}</small></span></label>"
    )


def buttons(*, is_deny_main: bool) -> str:
    """Allow and Deny as ``decision``; the one foreseen stands out."""
    allow_class, deny_class = ("", ' class="main"') if is_deny_main else (' class="main"', "")
    return (
        f'<div class="buttons"><button{deny_class} name="decision" value="deny">Deny</button>'
        f'<button{allow_class} name="decision" value="allow">Allow</button></div>'
    )
