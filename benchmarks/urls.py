"""The product's addresses, and one that does nothing."""

from django.urls import include, path

from benchmarks import nothing

urlpatterns = [
    # Below /webhooks/, so that it passes what a webhook passes.
    path("webhooks/nothing", nothing.NothingView.as_view()),
    path("", include("lpxgp.urls")),
]
