from django.apps import AppConfig


class CalendarConfig(AppConfig):
    name = "integrations.calendar"
    label = "calendar"
    verbose_name = "Calendar"
