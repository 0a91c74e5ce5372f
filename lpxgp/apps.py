from django.apps import AppConfig


class LpxgpConfig(AppConfig):
    name = "lpxgp"
    verbose_name = "LPxGP"
