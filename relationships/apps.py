import sqlite3
from typing import Any

from django.apps import AppConfig
from django.db import models
from django.db.backends.sqlite3.base import DatabaseWrapper

from relationships import lookups

# SQLite's own default since 3.32: https://www.sqlite.org/limits.html#max_variable_number
SQLITE_VARIABLES = 32_766


class RelationshipsConfig(AppConfig):
    name = "relationships"
    verbose_name = "Relationships"

    def ready(self) -> None:
        # Foreign keys do not take over what their base class has.
        for kind in (models.Field, models.ForeignKey):
            kind.register_lookup(lookups.Among)
        # Django cuts bulk statements for SQLite to the 999 variables of before 2020, which makes dozens of inserts of
        # one page of events. As a class attribute it holds for the connections of every thread.
        features: type[Any] = DatabaseWrapper.features_class
        if sqlite3.sqlite_version_info >= (3, 32):
            features.max_query_params = SQLITE_VARIABLES
