"""Addresses of linking and of the integrations settings."""

from django.urls import path

from integrations import administrator_views, push_views, views
from integrations.calendar import views as calendar_views
from integrations.email import views as email_views

app_name = "integrations"

urlpatterns = [
    path("settings/integrations/", views.settings_page, name="settings"),
    path("settings/integrations/events/", calendar_views.events, name="events"),
    path("settings/integrations/mail/", email_views.mail, name="mail"),
    path("settings/integrations/mail/<uuid:pk>/", email_views.message, name="message"),
    path("settings/integrations/mail/<uuid:pk>/save/", email_views.save, name="save_mail"),
    path("settings/integrations/saved-mail/", email_views.saved_mails, name="saved_mails"),
    path("settings/integrations/saved-mail/<uuid:pk>/", email_views.saved_mail, name="saved_mail"),
    path("settings/integrations/<uuid:pk>/card/", views.card, name="card"),
    path("settings/integrations/<uuid:pk>/sync/", views.sync_now, name="sync"),
    path("settings/integrations/<uuid:pk>/pause/", views.pause, name="pause"),
    path("settings/integrations/<uuid:pk>/resume/", views.resume, name="resume"),
    path("settings/integrations/<uuid:pk>/calendars/", views.choose, name="choose"),
    path("settings/integrations/<uuid:pk>/pushes/", push_views.pushes, name="pushes"),
    path("settings/integrations/<uuid:pk>/pushes/secret/", push_views.push_secret, name="push_secret"),
    path("settings/integrations/<uuid:pk>/history/", views.history, name="history"),
    path("settings/integrations/<uuid:pk>/disconnect/", views.disconnect, name="disconnect"),
    path("oauth/start/<slug:provider>/<slug:integration_type>", views.start, name="start"),
    path("oauth/callback/<slug:provider>", views.callback, name="callback"),
    path("oauth/ask/<slug:provider>/<slug:integration_type>", administrator_views.ask, name="ask_administrator"),
    path("oauth/admin/<slug:provider>", administrator_views.returned, name="administrator_returned"),
]
