"""Why linking did not end in a grant, each with what the user can do about it."""


class LinkRefused(Exception):
    """Linking did not end in a grant. ``title``, the message and ``remedy`` are what the user reads."""

    status = 400

    def __init__(self, title: str, what: str, remedy: str, provider: str = "", integration_type: str = "") -> None:
        super().__init__(what)
        self.title, self.what, self.remedy = title, what, remedy
        self.provider, self.integration_type = provider, integration_type
        self.may_ask_admin = False


class TooOften(LinkRefused):
    """Consents are begun faster than a person clicks."""

    status = 429


class AdministratorNeeded(LinkRefused):
    """Only an administrator of the account's organization may allow it."""


class CompanyAdminNeeded(LinkRefused):
    """It belongs to the whole company, and its admins alone decide about it."""

    status = 403


class OtherAccount(LinkRefused):
    """The consent is another account's than the one that was linked before."""
