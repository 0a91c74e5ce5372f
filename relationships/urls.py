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
    path("settings/profile/", views.profile, name="profile"),
]
