"""All settings of the product, read from the environment. docs/deploy.md explains each variable."""

import base64
import hashlib
import pkgutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from lpxgp import logs
from lpxgp.environment import (
    at_least,
    boolean,
    count,
    database,
    keys,
    log_level,
    mail_server,
    names,
    one_of,
    origin,
    origins,
    read,
    shaped,
)

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

DEBUG = read("DEBUG", boolean, "0")


def _laptop(value: str) -> str | None:
    """A default that only DEBUG=1 grants: without it the variable must be set."""
    return value if DEBUG else None


def _laptop_key(name: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(f"laptop-only {name}".encode()).digest()).decode()


LAPTOP_SECRET_KEY = "laptop-only-secret-key-that-production-refuses-to-start-with"  # noqa: S105
LAPTOP_TOKEN_KEY = _laptop_key("TOKEN_ENCRYPTION_KEY")

SECRET_KEY = read("SECRET_KEY", str, _laptop(LAPTOP_SECRET_KEY))
TOKEN_ENCRYPTION_KEYS = read("TOKEN_ENCRYPTION_KEY", keys, _laptop(LAPTOP_TOKEN_KEY))
PUBLIC_URL = read("PUBLIC_URL", origin, _laptop("http://127.0.0.1:8000"))
ALLOWED_HOSTS = read("ALLOWED_HOSTS", names, _laptop(",".join(["127.0.0.1", "localhost", "[::1]", "testserver"])))
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
IS_HTTPS = PUBLIC_URL.startswith("https://")

# Providers: one module each in integrations/providers. One without a client id is not offered.
PROVIDER_SLUGS = sorted(module.name for module in pkgutil.iter_modules([str(BASE_DIR / "integrations" / "providers")]))
PROVIDER_ORIGINS = read("PROVIDER_ORIGINS", origins, "{}")
ALLOW_PROVIDER_ORIGINS = read("ALLOW_PROVIDER_ORIGINS", boolean, "0")
PROVIDER_CREDENTIALS = {
    slug: {
        "client_id": read(f"{slug.upper()}_CLIENT_ID", str, ""),
        "client_secret": read(f"{slug.upper()}_CLIENT_SECRET", str, ""),
    }
    for slug in PROVIDER_SLUGS
}
# Mail: the one permission that is asked for, what an account may cost a minute, and where its pushes come from.
GMAIL_SCOPE = read("GMAIL_SCOPE", one_of("readonly", "metadata"), "readonly")
GMAIL_UNITS_PER_MINUTE = read("GMAIL_UNITS_PER_MINUTE", at_least(500), "6000")
MAIL_PLAN_SECONDS = read("MAIL_PLAN_SECONDS", count, "60")
GOOGLE_PUBSUB_TOPIC = read(
    "GOOGLE_PUBSUB_TOPIC", shaped(r"projects/[^/\s]+/topics/[^/\s]+", "projects/your-project/topics/gmail"), ""
)
GOOGLE_PUBSUB_SERVICE_ACCOUNT = read(
    "GOOGLE_PUBSUB_SERVICE_ACCOUNT", shaped(r"[^@\s]+@[^@\s]+", "push@your-project.iam.gserviceaccount.com"), ""
)

# Whose accounts may be linked, which permission mail is asked for by, and what a mailbox may cost a minute.
MICROSOFT_TENANT = (
    read("MICROSOFT_TENANT", shaped(r"common|organizations|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "common"), "")
    or "common"
)
MICROSOFT_MAIL_SCOPE = read("MICROSOFT_MAIL_SCOPE", one_of("basic", "read"), "basic")
MICROSOFT_REQUESTS_PER_MINUTE = read("MICROSOFT_REQUESTS_PER_MINUTE", at_least(60), "900")

# CRMs: which app ours is, and which generation of addresses it is asked at.
HUBSPOT_APP_ID = read("HUBSPOT_APP_ID", shaped(r"\d+", "1234567"), "")
HUBSPOT_API_GENERATION = read("HUBSPOT_API_GENERATION", one_of("2026-09", "v3"), "2026-09")
# Whoever tells us that records of the core changed signs it with this (Standard Webhooks).
_WHSEC = r"whsec_[A-Za-z0-9+/]{32,}={0,2}"
ENTITY_WEBHOOK_SECRET = read(
    "ENTITY_WEBHOOK_SECRET",
    shaped(rf"{_WHSEC}(,{_WHSEC})*", "whsec_ and base64 of 24 bytes or more", is_secret=True),
    "",
)

if not DEBUG:
    if SECRET_KEY == LAPTOP_SECRET_KEY or len(SECRET_KEY) < 50:
        raise ImproperlyConfigured("SECRET_KEY must be at least 50 random characters, and not the laptop's.")
    if base64.urlsafe_b64decode(LAPTOP_TOKEN_KEY) in TOKEN_ENCRYPTION_KEYS:
        raise ImproperlyConfigured("TOKEN_ENCRYPTION_KEY holds the laptop's key: make one with manage.py new_key.")
    if "*" in ALLOWED_HOSTS:
        raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts: '*' lets anybody choose one.")
    if PROVIDER_ORIGINS and not ALLOW_PROVIDER_ORIGINS:
        raise ImproperlyConfigured(
            "PROVIDER_ORIGINS sends tokens elsewhere: set ALLOW_PROVIDER_ORIGINS=1 if you mean it."
        )

INSTALLED_APPS = [
    "lpxgp",
    "crm",
    "webhooks",
    "integrations.calendar",
    "integrations.email",
    "integrations",
    "relationships",
    "sandbox",
    "lpxgp.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "lpxgp.social.google",
    "lpxgp.social.microsoft",
    "allauth.mfa",
    "allauth.usersessions",
    "rest_framework",
    "drf_spectacular",
    "django_htmx",
    "csp",
    "django_q",
]

MIDDLEWARE = [
    "lpxgp.middleware.RequestLog",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "lpxgp.middleware.SecurityHeaders",
    "lpxgp.middleware.Probes",
    "lpxgp.middleware.NoNul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "lpxgp.middleware.SessionLimits",
    "lpxgp.middleware.Tenancy",
    "lpxgp.middleware.AdminForStaff",
    "lpxgp.middleware.StaffNeedMfa",
    "lpxgp.middleware.UserTimeZone",
]

ROOT_URLCONF = "lpxgp.urls"
WSGI_APPLICATION = "lpxgp.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "lpxgp.context.site",
            ],
        },
    }
]

# Database: SQLite by default, PostgreSQL by DATABASE_URL.
DATABASES = {"default": read("DATABASE_URL", database, f"sqlite:///{VAR_DIR / 'lpxgp.sqlite3'}")}
# Opening a connection costs more than storing a webhook does, on both databases.
DATABASES["default"]["CONN_MAX_AGE"] = 600
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE takes the write lock at BEGIN: two writers wait for each other instead of failing half-way.
    # synchronous=FULL: an acknowledged webhook and a rotated refresh token survive a loss of power.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=20000;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"].setdefault("OPTIONS", {}).update({"server_side_binding": True, "prepare_threshold": 2})

# The database cache: allauth's rate limits must count over all processes.
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "django_cache",
        # Beyond 300 entries, unless told otherwise, a third is thrown away: whoever makes some would end all limits.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
    "memory": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}

# Jobs. The reasons for each value are in docs/decisions.md ("The queue carries ids").
Q_CLUSTER: dict[str, Any] = {
    "name": "lpxgp",
    "label": "Job queue",
    "orm": "default",
    "workers": 2,
    "queue_limit": 2,
    "bulk": 1,
    "timeout": 300,
    "retry": 3600,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
    "poll": 0.2,
    # Never recycled from inside: a worker that ends is a worker that died, and the watcher replaces the cluster.
    "recycle": 10**9,
    # Its status page's numbers, written twice a second: never into the database.
    "cache": "memory",
}
WORKER_MAX_MB = read("WORKER_MAX_MB", count, "600")

# People and sign-in.
AUTH_USER_MODEL = "relationships.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "lpxgp.signin.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "lpxgp.signin.SocialAccountAdapter"
MFA_ADAPTER = "lpxgp.signin.MfaAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
# A new address replaces the old one once it is proven; a change of password or second factor is told by mail.
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[LPxGP] "
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if IS_HTTPS else "http"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "LPxGP Integrations"
STAFF_NEED_MFA = read("STAFF_NEED_MFA", boolean, "0" if DEBUG else "1")
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
# Sign-in has OAuth clients of its own, with openid, email and profile only: never those that read data.
SOCIALACCOUNT_PROVIDERS = {
    slug: {
        "SCOPE": ["openid", "email", "profile"],
        "AUTH_PARAMS": {"prompt": "select_account"},
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [{"client_id": client_id, "secret": read(f"{slug.upper()}_SIGNIN_CLIENT_SECRET", str, ""), "key": ""}],
    }
    for slug in ("google", "microsoft")
    if (client_id := read(f"{slug.upper()}_SIGNIN_CLIENT_ID", str, ""))
}
TRUSTED_PROXY_COUNT = read("TRUSTED_PROXY_COUNT", count, "0")
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT

# Cookies and headers.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_NAME = "__Host-sessionid" if IS_HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if IS_HTTPS else "csrftoken"
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 7 * 24 * 3600
# Seconds a session lives without being used, and in all.
SESSION_LIMITS = {"member": (8 * 3600, 7 * 24 * 3600), "staff": (3600, 12 * 3600)}
SECURE_SSL_REDIRECT = IS_HTTPS and not DEBUG
SECURE_REDIRECT_EXEMPT = ["^livez$", "^readyz$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# The consent pages we send the browser to are the only foreign form targets.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [
            SELF,
            "https://accounts.google.com",
            "https://login.microsoftonline.com",
            *sorted({f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, PROVIDER_ORIGINS.values())}),
        ],
    }
}

# Limits of what a request may carry.
WEBHOOK_MAX_BYTES = 1024 * 1024
WEBHOOK_MAX_PER_SECOND = read("WEBHOOK_MAX_PER_SECOND", count, "5000")  # per address and process; 0 switches it off
DATA_UPLOAD_MAX_MEMORY_SIZE = WEBHOOK_MAX_BYTES
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "LPxGP Integrations",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": ["rest_framework.authentication.SessionAuthentication"],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAdminUser"],
}

# Static files, mail, time, logs.
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = False

vars().update(read("EMAIL_URL", mail_server, f"filemail:///{VAR_DIR / 'mail'}" if DEBUG else "consolemail://"))
# Without a limit a mail server that does not answer would hold a worker until the queue ends its job.
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = SERVER_EMAIL = read("DEFAULT_FROM_EMAIL", str, "LPxGP Integrations <no-reply@localhost>")

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "lpxgp.formats"

LOGGING_CONFIG = None
logs.configure(read("LOG_LEVEL", log_level, "INFO"), mask_key=SECRET_KEY, is_readable=DEBUG and sys.stderr.isatty())
# Whoever scrapes /metrics sends this as a bearer token; without it only signed-in staff see them.
METRICS_TOKEN = read("METRICS_TOKEN", str, "")

# What the product does by the clock.
POLL_MINUTES = read("POLL_MINUTES", count, "15")
BRIEF_LEAD_MINUTES = read("BRIEF_LEAD_MINUTES", count, "60")
HISTORY_DAYS_BACK = 90
HISTORY_DAYS_AHEAD = 60
