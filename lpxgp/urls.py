"""Every address of the product."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("webhooks.urls")),
    path("", include("integrations.urls")),
    path("", include("relationships.urls")),
]
