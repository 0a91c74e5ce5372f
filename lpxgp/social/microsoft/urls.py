from django.urls import path

from lpxgp.social.microsoft import provider

urlpatterns = [
    path("microsoft/login/", provider.login, name="microsoft_login"),
    path("microsoft/login/callback/", provider.callback, name="microsoft_callback"),
]
