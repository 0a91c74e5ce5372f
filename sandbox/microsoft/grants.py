"""Who may consent to what: persons who say no, tenants where only an administrator may say yes, rules against it.

https://learn.microsoft.com/entra/identity/enterprise-apps/manage-app-consent-policies
"""

from typing import Any

from sandbox.microsoft.scopes import SIGN_IN


class Grants:
    """The consents that outlast one sign-in. ``by_admin`` holds scopes by client and tenant.

    ``barred_consents`` and ``barred_codes`` are accounts with the AADSTS number that ends their consent, or that
    refuses the codes of it.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Everybody may consent for himself."""
        self.denying: set[str] = set()
        self.strict_tenants: set[str] = set()
        self.by_admin: dict[tuple[str, str], list[str]] = {}
        self.barred_consents: dict[str, int] = {}
        self.barred_codes: dict[str, int] = {}

    def bar(self, upn: str, trouble: int, *, is_at_consent: bool) -> None:
        """Let the tenant's rules stand against an account, with this AADSTS number; 0 lifts them."""
        self.barred_consents.pop(upn, None)
        self.barred_codes.pop(upn, None)
        if trouble:
            (self.barred_consents if is_at_consent else self.barred_codes)[upn] = trouble

    def require_admin(self, tenant: str, is_required: bool) -> None:
        """Make a tenant strict, or not; either way what its administrator allowed before is taken back."""
        (self.strict_tenants.add if is_required else self.strict_tenants.discard)(tenant)
        self.by_admin = {owner: scopes for owner, scopes in self.by_admin.items() if owner[1] != tenant}

    def allow(self, client_id: str, tenant: str, scopes: list[str]) -> None:
        """The administrator's yes, on top of what he allowed before."""
        before = self.by_admin.get((client_id, tenant), [])
        self.by_admin[client_id, tenant] = list(dict.fromkeys([*before, *scopes]))

    def needs_admin(self, client_id: str, tenant: str, scopes: list[str]) -> bool:
        """Whether a user of the tenant is refused: more than sign-in, and the administrator has not allowed it."""
        allowed = {*SIGN_IN, *self.by_admin.get((client_id, tenant), [])}
        return tenant in self.strict_tenants and bool(set(scopes) - allowed)

    def dump(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "denying": sorted(self.denying),
            "strict_tenants": sorted(self.strict_tenants),
            "by_admin": [[client_id, tenant, scopes] for (client_id, tenant), scopes in self.by_admin.items()],
            "barred_consents": self.barred_consents,
            "barred_codes": self.barred_codes,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what ``dump`` gave."""
        self.reset()
        self.denying = set(saved.get("denying", []))
        self.strict_tenants = set(saved.get("strict_tenants", []))
        self.by_admin = {(client_id, tenant): scopes for client_id, tenant, scopes in saved.get("by_admin", [])}
        self.barred_consents = dict(saved.get("barred_consents", {}))
        self.barred_codes = dict(saved.get("barred_codes", {}))
