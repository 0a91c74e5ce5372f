"""The scopes the sandbox knows, in plain words for the consent page.

https://developers.google.com/identity/protocols/oauth2/scopes
"""

AUTH = "https://www.googleapis.com/auth/"
OPENID = "openid"
EMAIL = f"{AUTH}userinfo.email"
PROFILE = f"{AUTH}userinfo.profile"
SHORT_NAMES = {"email": EMAIL, "profile": PROFILE}

# Signing in cannot be unticked.
SIGN_IN = {
    OPENID: "Know who you are on Google",
    EMAIL: "See your e-mail address",
    PROFILE: "See your name and picture",
}
OPTIONAL = {
    f"{AUTH}calendar": "See, change, share and delete all your calendars",
    f"{AUTH}calendar.readonly": "See and download all your calendars",
    f"{AUTH}calendar.events": "See and change events on all your calendars",
    f"{AUTH}calendar.events.readonly": "See events on all your calendars",
    f"{AUTH}calendar.events.owned": "See and change events on calendars you own",
    f"{AUTH}calendar.events.owned.readonly": "See events on calendars you own",
    f"{AUTH}calendar.events.freebusy": "See when you are free or busy",
    f"{AUTH}calendar.calendarlist": "See and change your list of calendars",
    f"{AUTH}calendar.calendarlist.readonly": "See your list of calendars",
    f"{AUTH}calendar.calendars.readonly": "See your calendars' names and time zones",
    f"{AUTH}calendar.settings.readonly": "See your calendar settings",
    f"{AUTH}calendar.freebusy": "See when you are free or busy on your calendars",
    f"{AUTH}gmail.metadata": "See who writes to whom in your mail, not what",
    f"{AUTH}gmail.readonly": "See your mail and mail settings",
    f"{AUTH}gmail.modify": "See, write and sort your mail",
    f"{AUTH}gmail.send": "Send mail as you",
    f"{AUTH}gmail.labels": "See and change your mail labels",
}
KNOWN = {**SIGN_IN, **OPTIONAL}


def full_names(text: str) -> list[str]:
    """A space-joined scope parameter as full names, in the order asked, each once."""
    return list(dict.fromkeys(SHORT_NAMES.get(name, name) for name in text.split()))
