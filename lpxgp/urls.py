"""Every address of the product, but /livez and /readyz, which lpxgp.middleware.Probes answers.

Errors are shown by templates/403.html, 404.html and 500.html, as Django finds them.
"""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from lpxgp import health

urlpatterns = [
    # First, since most requests are for these, and addresses are compared in this order.
    path("", include("webhooks.urls")),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("metrics", health.show_metrics, name="metrics"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("", include("integrations.urls")),
    path("", include("relationships.urls")),
]
