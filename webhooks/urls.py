"""Addresses that providers' servers post to. Which types exist is said by the providers themselves."""

from django.urls import path

from webhooks import views

urlpatterns = [
    path("webhooks/<slug:webhook_type>", views.WebhookView.as_view(), name="webhook"),
    path("webhooks/<slug:webhook_type>/<slug:provider>", views.WebhookView.as_view(), name="provider_webhook"),
    path(
        "webhooks/<slug:webhook_type>/<slug:provider>/<uuid:channel_id>/<str:token>",
        views.WebhookView.as_view(),
        name="channel_webhook",
    ),
]
