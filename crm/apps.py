from importlib import import_module

from django.apps import AppConfig


class CrmConfig(AppConfig):
    name = "crm"
    label = "crm"
    verbose_name = "CRM"

    def ready(self) -> None:
        # Only now are there models that it could import.
        import_module("crm.registration").register()
