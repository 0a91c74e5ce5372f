"""The WSGI application that waitress (embedded) or gunicorn (production) serves."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lpxgp.settings")

application = get_wsgi_application()
