"""One script per measured claim: ``python -m benchmarks.acknowledge --help``.

Importing this package sets Django up with production's settings, on the database that ``stage`` made for the script.
"""

import os

import django

SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
    "DEBUG": "0",
    # Made up, and used nowhere else.
    "SECRET_KEY": "benchmark-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLM",
    "TOKEN_ENCRYPTION_KEY": "YmVuY2htYXJrLW9ubHkta2V5LTMyLWJ5dGVzLWxvbmc=",
    "PUBLIC_URL": "http://127.0.0.1",
    "ALLOWED_HOSTS": "127.0.0.1",
    "ALLOW_PROVIDER_ORIGINS": "1",
    "GOOGLE_CLIENT_ID": "benchmark",
    "GOOGLE_CLIENT_SECRET": "benchmark",
}

os.environ.update(SETTINGS)
django.setup()
