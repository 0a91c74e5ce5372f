from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps

from lpxgp import checks


class LpxgpConfig(AppConfig):
    name = "lpxgp"
    verbose_name = "LPxGP"
    default = True

    def ready(self) -> None:
        checks.register_all()


class StaffAdminConfig(admin_apps.AdminConfig):
    """Django's admin app with our site."""

    default_site = "lpxgp.admin_site.Site"
    default = False
