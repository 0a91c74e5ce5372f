"""Whose a link is: a user's, or the whole company's, which its admins link and end."""

import uuid

from integrations.contract import Service
from integrations.link_refusals import CompanyAdminNeeded
from integrations.models import Integration
from relationships import tenancy
from relationships.models import Company, User


def owner(user: User, service: Service) -> User | None:
    """The user; nobody where it is the company's."""
    return None if service.is_company_wide else user


def existing(user: User, provider_slug: str, service: Service) -> Integration | None:
    """What the user, or the company for what is company-wide, has linked before."""
    rows = Integration.objects.filter(provider=provider_slug, integration_type=service.type)
    return rows.filter(user=owner(user, service)).first()


def check_may_link(user: User, service: Service) -> None:
    """What is the company's is linked by its admins. Raises CompanyAdminNeeded, naming them."""
    if not service.is_company_wide or user.is_company_admin:
        return
    raise CompanyAdminNeeded(
        f"{service.label} belongs to your whole company",
        "So only admins of your company connect it, and end it.",
        f"Ask {admin_names()}.",
        "",
        service.type,
    )


def may_change(user: User, integration: Integration) -> bool:
    """Whether the user decides about this link, of which he knows that it is his or his company's."""
    return integration.user_id == user.pk or (integration.user_id is None and user.is_company_admin)


def admin_names() -> str:
    """Whom a member of the current company may ask."""
    return " or ".join(map(str, _admins(tenancy.current_company_id()))) or "an admin of your company"


def _admins(company_id: uuid.UUID) -> list[User]:
    found = User.objects.filter(company_id=company_id, is_company_admin=True, is_active=True)
    return list(found.order_by("name", "email"))


def readers(integration: Integration) -> list[User]:
    """Who is told of it and can reconnect it."""
    return _admins(integration.company_id) if integration.user is None else [integration.user]


def lock(user: User, service: Service) -> None:
    """Let no other consent of the same owner be stored before this one is."""
    if service.is_company_wide:
        Company.objects.select_for_update(no_key=True).get(pk=tenancy.current_company_id())
    else:
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
