"""Django sees the sandbox only for its command."""

from django.apps import AppConfig


class SandboxConfig(AppConfig):
    """An app without models, views or settings."""

    name = "sandbox"
    verbose_name = "Sandbox"
