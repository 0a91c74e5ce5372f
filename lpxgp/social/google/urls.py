from django.urls import path

from lpxgp.social.google import provider

urlpatterns = [
    path("google/login/", provider.login, name="google_login"),
    path("google/login/callback/", provider.callback, name="google_callback"),
]
