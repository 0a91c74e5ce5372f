"""Staff's view of mail: that it was read, when, and which rule decided. Never what it is about, nor with whom."""

from django.contrib import admin

from integrations.admin import ReadOnly
from integrations.email.models import (
    EmailMessage,
    EmailThread,
    MailLook,
    MailSearch,
    MailToRead,
    OwnAddress,
    SavedMail,
)


@admin.register(EmailMessage)
class EmailMessageAdmin(ReadOnly):
    list_display = ("external_id", "state", "company", "verdict", "is_sent", "sent_at", "updated_at")
    list_filter = ("verdict", "is_sent", "company")
    list_select_related = ("state", "company")
    search_fields = ("external_id", "state__name")
    date_hierarchy = "sent_at"
    # A Message-ID names the sender's domain.
    exclude = ("subject", "message_id")


@admin.register(EmailThread)
class EmailThreadAdmin(ReadOnly):
    list_display = ("external_id", "state", "company", "last_at")
    list_filter = ("company",)
    list_select_related = ("state", "company")
    search_fields = ("external_id", "state__name")
    exclude = ("subject",)


@admin.register(MailSearch)
class MailSearchAdmin(ReadOnly):
    list_display = ("created_at", "state", "company", "purpose", "since", "found", "listed_at")
    list_filter = ("purpose", "company")
    list_select_related = ("state", "company")
    search_fields = ("state__name",)
    # Whom a member's mailbox is asked about is the member's.
    exclude = ("about", "addresses", "domains", "page")


@admin.register(MailToRead)
class MailToReadAdmin(ReadOnly):
    list_display = ("external_id", "state", "company", "tries", "due_at")
    list_filter = ("company",)
    list_select_related = ("state", "company")
    search_fields = ("external_id", "state__name")


@admin.register(SavedMail)
class SavedMailAdmin(ReadOnly):
    list_display = ("created_at", "user", "company", "error")
    list_filter = ("company",)
    list_select_related = ("user", "company")
    search_fields = ("user__email",)
    exclude = ("subject", "encrypted_text")


@admin.register(OwnAddress)
class OwnAddressAdmin(ReadOnly):
    list_display = ("email", "state", "company", "listed_at")
    list_filter = ("company",)
    list_select_related = ("state", "company")
    search_fields = ("email", "state__name")


@admin.register(MailLook)
class MailLookAdmin(ReadOnly):
    list_display = ("company", "looked_at")
    list_select_related = ("company",)
