"""Addresses of the members' pages."""

from django.urls import path

from relationships import views

app_name = "relationships"

urlpatterns = [
    path("", views.today, name="today"),
    path("people/", views.people, name="people"),
    path("people/<uuid:pk>/", views.person, name="person"),
    path("meetings/<uuid:pk>/", views.meeting, name="meeting"),
    path("tasks/<uuid:pk>/", views.task, name="task"),
    path("follow-ups/", views.follow_ups, name="follow_ups"),
    path("follow-ups/<uuid:pk>/", views.follow_up, name="follow_up"),
    path("settings/privacy/", views.privacy, name="privacy"),
    path("settings/privacy/<uuid:pk>/", views.rule, name="rule"),
    path("settings/profile/", views.profile, name="profile"),
]
