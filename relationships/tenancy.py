"""Which company's rows the running code may see. Fails closed: without a company there are no rows, only an error.

Web requests enter by lpxgp.middleware.Tenancy, jobs by ``within(company_id)`` with the company of the row they work on.
Staff in the admin, and jobs that sweep over every tenant, say so with ``every_company()`` or the manager ``unscoped``.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from django.core.exceptions import ValidationError
from django.db import models

M = TypeVar("M", bound=models.Model)

EVERY: Final = "every company"
_scope: ContextVar[uuid.UUID | str | None] = ContextVar("company", default=None)


class NoCompany(RuntimeError):
    """A tenant's table was asked for without saying for which company."""


@contextmanager
def within(company_id: uuid.UUID) -> Iterator[None]:
    """Run the block for one company: ``objects`` of every tenant table sees its rows alone."""
    token = _scope.set(company_id)
    try:
        yield
    finally:
        _scope.reset(token)


@contextmanager
def every_company() -> Iterator[None]:
    """Run the block over all companies: for the admin and for sweeps, never for a member's page."""
    token = _scope.set(EVERY)
    try:
        yield
    finally:
        _scope.reset(token)


def current_company_id() -> uuid.UUID:
    """The company this code runs for. Raises NoCompany outside ``within``."""
    scope = _scope.get()
    if not isinstance(scope, uuid.UUID):
        raise NoCompany("This code needs one company: run it in tenancy.within(company_id).")
    return scope


class TenantManager(models.Manager[M]):
    """``objects`` of a tenant's table: the current company's rows, or NoCompany."""

    def get_queryset(self) -> models.QuerySet[M]:
        scope = _scope.get()
        if scope is None:
            raise NoCompany(
                f"{self.model.__name__}.objects needs a company: use tenancy.within(company_id), or "
                f"{self.model.__name__}.unscoped where every tenant is meant."
            )
        rows = super().get_queryset()
        return rows if scope == EVERY else rows.filter(company_id=scope)


def unindexed_company() -> Any:
    """``TenantModel.company`` for large tables whose other indexes begin with it.

    A second index of the company alone slows each insert down, and misleads PostgreSQL before it has statistics: it
    reads the whole company by it.
    """
    return models.ForeignKey("relationships.Company", on_delete=models.CASCADE, related_name="+", db_index=False)


class TenantModel(models.Model):
    """A row that belongs to one company."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    company = models.ForeignKey("relationships.Company", on_delete=models.CASCADE, related_name="+")

    objects: TenantManager[Any] = TenantManager()
    unscoped: models.Manager[Any] = models.Manager()

    class Meta:
        abstract = True

    def clean(self) -> None:
        """Raises ValidationError, on each field to blame, for what points to another company's row."""
        super().clean()
        if self.company_id is None:
            return
        errors = {}
        for field in self._meta.concrete_fields:
            if not isinstance(field, models.ForeignKey) or field.name == "company":
                continue
            other = getattr(self, field.name, None)
            if getattr(other, "company_id", self.company_id) != self.company_id:
                errors[field.name] = f"{other} does not belong to the same company."
        if errors:
            raise ValidationError(errors)
