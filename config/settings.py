"""Values only, in the order of docs/reference/settings.md; every variable is read here, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config.env import Environment
from config.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment.of_process(BASE_DIR)

# -- the installation ---------------------------------------------------------------------------

ENVIRONMENT = env.one_of("ENVIRONMENT", "production", ("production", "development", "test"))
IN_PRODUCTION = ENVIRONMENT == "production"
DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.text("SECRET_KEY")
FIELD_ENCRYPTION_KEYS = env.listed("FIELD_ENCRYPTION_KEYS")
ALLOWED_HOSTS = env.listed("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.listed("CSRF_TRUSTED_ORIGINS")
TRUSTED_PROXY = env.flag("TRUSTED_PROXY", False)
TRUSTED_PROXY_COUNT = env.whole("TRUSTED_PROXY_COUNT", 1 if TRUSTED_PROXY else 0)
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", IN_PRODUCTION)
SECURE_HSTS_SECONDS = env.whole("SECURE_HSTS_SECONDS", 31_536_000 if IN_PRODUCTION else 0)
DATA_DIR = env.path("DATA_DIR", BASE_DIR / "var")
PORT = env.whole("PORT", 8000, least=1)
LOG_LEVEL = env.one_of("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = env.one_of("LOG_FORMAT", "json" if IN_PRODUCTION else "console", ("json", "console"))
METRICS_TOKEN = env.text("METRICS_TOKEN")
SENTRY_DSN = env.text("SENTRY_DSN")

# -- database, cache, broker --------------------------------------------------------------------

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}")
}
DB_POOL_MAX = env.whole("DB_POOL_MAX", 10, least=1)
CONN_MAX_AGE = env.whole("CONN_MAX_AGE", 300, least=1)
REDIS_URL = env.text("REDIS_URL")
REDIS_MAX_CONNECTIONS = env.whole("REDIS_MAX_CONNECTIONS", 10, least=1)
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", REDIS_URL)
CELERY_TASK_TIMEOUT = env.whole("CELERY_TASK_TIMEOUT", 3600, least=60)

_database = DATABASES["default"]
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = {
        # Deferred transactions that read before they write fail at once under load: no wait helps.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    # A database that vanished without a word must not hold a thread for the kernel's quarter hour.
    _database["OPTIONS"] = {
        "connect_timeout": 5,
        "tcp_user_timeout": 10_000,
        **_database["OPTIONS"],
    }
    _database["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": DB_POOL_MAX,
        "max_lifetime": CONN_MAX_AGE,
        "timeout": 10,
    }
    # Django refuses persistent connections beside a pool; the pool's max_lifetime does that work.
    _database["CONN_MAX_AGE"] = 0
    _database["CONN_HEALTH_CHECKS"] = True

if REDIS_URL:
    CACHES: dict[str, dict[str, Any]] = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": "streamer",
            "TIMEOUT": 300,
            "OPTIONS": {
                "COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor",
                "IGNORE_EXCEPTIONS": True,
                "SOCKET_CONNECT_TIMEOUT": 1,
                "SOCKET_TIMEOUT": 2,
                "CONNECTION_POOL_KWARGS": {"max_connections": REDIS_MAX_CONNECTIONS},
            },
        }
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
# A cache that cannot be reached slows pages down and is counted; it never fails a request.
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True
DJANGO_REDIS_LOGGER = "apps.core.cache"

CELERY_BROKER_URL = CELERY_BROKER_URL or "memory://"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Longer than the longest task, or the broker hands it out a second time.
    "visibility_timeout": CELERY_TASK_TIMEOUT + 300,
    # Without these two a lost worker's tasks come back after minutes instead of seconds.
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 2,
    "socket_keepalive": not CELERY_BROKER_URL.startswith("redis+socket"),
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.2}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = CELERY_TASK_TIMEOUT
CELERY_TASK_SOFT_TIME_LIMIT = CELERY_TASK_TIMEOUT - 30
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_ROUTES = {
    # The first that fits counts.
    "*.send_mail_*": {"queue": "mail"},
    "apps.library.tasks.prepare_*": {"queue": "media"},
    "apps.youtube.tasks.*": {"queue": "youtube"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "run" / "beat-schedule")
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    # Each may run twice or late: a sweep finds what a lost message left behind.
    "library-sweep": {"task": "apps.library.tasks.sweep", "schedule": 60.0},
    "streaming-sweep": {"task": "apps.streaming.tasks.sweep", "schedule": 30.0},
    "streaming-prune": {"task": "apps.streaming.tasks.prune", "schedule": 86_400.0},
    "youtube-sweep": {"task": "apps.youtube.tasks.sweep", "schedule": 60.0},
    "youtube-mail": {"task": "apps.youtube.tasks.send_mail_alerts", "schedule": 300.0},
    "youtube-test": {"task": "apps.youtube.tasks.test_channels", "schedule": 1800.0},
    "youtube-forget": {"task": "apps.youtube.tasks.forget_channels", "schedule": 86_400.0},
    "youtube-prune": {"task": "apps.youtube.tasks.prune", "schedule": 43_200.0},
    "ops-prune": {"task": "apps.ops.tasks.prune", "schedule": 3600.0},
}

# -- files --------------------------------------------------------------------------------------

AWS_STORAGE_BUCKET_NAME = env.text("AWS_STORAGE_BUCKET_NAME")
AWS_ACCESS_KEY_ID = env.text("AWS_ACCESS_KEY_ID")
AWS_SECRET_ACCESS_KEY = env.text("AWS_SECRET_ACCESS_KEY")
AWS_S3_ENDPOINT_URL = env.text("AWS_S3_ENDPOINT_URL")
AWS_S3_REGION_NAME = env.text("AWS_S3_REGION_NAME", "us-east-1")
AWS_S3_ADDRESSING_STYLE = env.one_of("AWS_S3_ADDRESSING_STYLE", "auto", ("auto", "path", "virtual"))
UPLOAD_MAX_BYTES = env.size("UPLOAD_MAX_BYTES", 20 << 30)
MAX_CONCURRENT_DOWNLOADS = env.whole("MAX_CONCURRENT_DOWNLOADS", 2, least=1)
CHUNK_SIZE = env.size("CHUNK_SIZE", 262_144)
DEFAULT_PROFILE = env.text("DEFAULT_PROFILE", "1080p30-economy")
ENCODE_PRESET = env.one_of(
    "ENCODE_PRESET",
    "medium",
    ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"),
)

MEDIA_ROOT = DATA_DIR / "media"
MEDIA_URL = "/media/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
if AWS_STORAGE_BUCKET_NAME:
    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": AWS_STORAGE_BUCKET_NAME,
            "access_key": AWS_ACCESS_KEY_ID or None,
            "secret_key": AWS_SECRET_ACCESS_KEY or None,
            "endpoint_url": AWS_S3_ENDPOINT_URL or None,
            "region_name": AWS_S3_REGION_NAME,
            "addressing_style": AWS_S3_ADDRESSING_STYLE,
            "signature_version": "s3v4",
            "default_acl": None,
            "querystring_auth": True,
            "querystring_expire": 3600,
            "file_overwrite": True,
        },
    }
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 << 20

# -- the REST API -------------------------------------------------------------------------------

API_RATE_PER_MINUTE = env.whole("API_RATE_PER_MINUTE", 600, least=1)
API_BODY_MAX_BYTES = env.size("API_BODY_MAX_BYTES", 262_144)

# -- on air -------------------------------------------------------------------------------------

STREAM_BUFFER_SIZE = env.size("STREAM_BUFFER_SIZE", 15 << 20)
TRACK_CACHE_BYTES = env.size("TRACK_CACHE_BYTES", 20 << 30)
NODE_NAME = env.text("NODE_NAME")
NODE_CAPACITY_MBPS = env.whole("NODE_CAPACITY_MBPS", 800, least=1)
NODE_PUMPS = env.whole("NODE_PUMPS", 1, least=1)
DESTINATION_POLICY = env.one_of(
    "DESTINATION_POLICY", "known", ("youtube", "known", "public", "private")
)
DESTINATION_ALLOWLIST = env.places("DESTINATION_ALLOWLIST")
NODE_PEER_LISTEN = env.text("NODE_PEER_LISTEN")
NODE_PEER_ADDRESS = env.text("NODE_PEER_ADDRESS", NODE_PEER_LISTEN)
PARTITION_POLICY = env.one_of("PARTITION_POLICY", "fence", ("fence", "keep"))
INGEST_SIMULATOR_URL = env.text("INGEST_SIMULATOR_URL")
INGEST_SIMULATOR_HTTP = env.text("INGEST_SIMULATOR_HTTP")

# -- other services -----------------------------------------------------------------------------

GOOGLE_CLIENT_ID = env.text("GOOGLE_CLIENT_ID")
GOOGLE_CLIENT_SECRET = env.text("GOOGLE_CLIENT_SECRET")
GOOGLE_AUTHORIZE_URL = env.text(
    "GOOGLE_AUTHORIZE_URL", "https://accounts.google.com/o/oauth2/v2/auth"
)
GOOGLE_TOKEN_URL = env.text("GOOGLE_TOKEN_URL", "https://oauth2.googleapis.com/token")
GOOGLE_REVOKE_URL = env.text("GOOGLE_REVOKE_URL", "https://oauth2.googleapis.com/revoke")
GOOGLE_USERINFO_URL = env.text(
    "GOOGLE_USERINFO_URL", "https://www.googleapis.com/oauth2/v2/userinfo"
)
GOOGLE_CERTS_URL = env.text("GOOGLE_CERTS_URL", "https://www.googleapis.com/oauth2/v1/certs")
GOOGLE_ISSUER = env.text("GOOGLE_ISSUER", "https://accounts.google.com")
GOOGLE_SIGN_IN = bool(GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET)
YOUTUBE_API_BASE = env.text("YOUTUBE_API_BASE", "https://www.googleapis.com")
YOUTUBE_WATCH_BASE = env.text("YOUTUBE_WATCH_BASE", "https://www.youtube.com/watch?v=")
YOUTUBE_TIMEOUT_SECONDS = env.whole("YOUTUBE_TIMEOUT_SECONDS", 15, least=1)
YOUTUBE_TIME_SCALE = env.whole("YOUTUBE_TIME_SCALE", 1, least=1)
# A simulation in a hurry is looked at in a hurry.
CELERY_BEAT_SCHEDULE["youtube-sweep"]["schedule"] = max(1.0, 60.0 / YOUTUBE_TIME_SCALE)
YOUTUBE_QUOTA_PER_DAY = env.whole("YOUTUBE_QUOTA_PER_DAY", 10_000, least=1)
YOUTUBE_QUOTA_PER_WORKSPACE = env.whole("YOUTUBE_QUOTA_PER_WORKSPACE", 0)
RAZORPAY_KEY_ID = env.text("RAZORPAY_KEY_ID")
RAZORPAY_KEY_SECRET = env.text("RAZORPAY_KEY_SECRET")
RAZORPAY_WEBHOOK_SECRET = env.text("RAZORPAY_WEBHOOK_SECRET")
STRIPE_SECRET_KEY = env.text("STRIPE_SECRET_KEY")
STRIPE_WEBHOOK_SECRET = env.text("STRIPE_WEBHOOK_SECRET")
_email = env.email("EMAIL_URL")
EMAIL_CONFIGURED = not _email["EMAIL_BACKEND"].endswith("console.EmailBackend")
MAIL_OUTBOX = ""
if not EMAIL_CONFIGURED:
    # Mail carries links that open accounts: without a server it must not end in a log.
    _email = {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}
    if ENVIRONMENT == "development":
        MAIL_OUTBOX = str(DATA_DIR / "outbox")
        _email = {
            "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "EMAIL_FILE_PATH": MAIL_OUTBOX,
        }
globals().update(_email)
_host = next((name for name in ALLOWED_HOSTS if name != "*"), "127.0.0.1")
SITE_ADDRESS = f"https://{_host}" if SECURE_SSL_REDIRECT else f"http://{_host}:{PORT}"
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "YouTube Streamer <streamer@localhost>")

# -- refusing to start --------------------------------------------------------------------------

_needed = {"SECRET_KEY": SECRET_KEY, "FIELD_ENCRYPTION_KEYS": FIELD_ENCRYPTION_KEYS}
if IN_PRODUCTION:
    _needed |= {"ALLOWED_HOSTS": ALLOWED_HOSTS, "REDIS_URL": REDIS_URL}
_missing = [name for name, value in _needed.items() if not value]
if _missing:
    raise ImproperlyConfigured(
        f"{', '.join(_missing)} must be set when ENVIRONMENT={ENVIRONMENT}. "
        "See .env.example for each, or run `make up` to try things out."
    )
if IN_PRODUCTION:
    # Values that stand in examples, tests or tutorials are known to everybody.
    _known = ("changeme", "change-me", "example", "insecure", "secret", "test", "default")
    for _name, _value in (
        ("SECRET_KEY", SECRET_KEY),
        *(("FIELD_ENCRYPTION_KEYS", key) for key in FIELD_ENCRYPTION_KEYS),
    ):
        if any(word in _value.lower() for word in _known[:4]) or _value.lower() in _known:
            raise ImproperlyConfigured(f"{_name} is an example value. Generate one of your own.")
    if len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 8:
        raise ImproperlyConfigured(
            "SECRET_KEY is too short or too regular. Use 50 random characters."
        )
    if DEBUG:
        raise ImproperlyConfigured(
            "DEBUG must be false when ENVIRONMENT=production. Switch it off."
        )
    if "*" in ALLOWED_HOSTS:
        raise ImproperlyConfigured("ALLOWED_HOSTS must name the host names of this installation.")

# -- what follows is the same everywhere --------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.google",
    "allauth.mfa",
    "allauth.usersessions",
    "ninja",
    "apps.core",
    "apps.accounts",
    "apps.billing",
    "apps.library",
    "apps.youtube",
    "apps.streaming",
    "apps.ops",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.core.middleware.CompressionMiddleware",
    "apps.core.middleware.ContentPolicyMiddleware",
    "apps.core.middleware.OddQueryMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "apps.core.middleware.PrivateMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"
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
                "apps.accounts.context_processors.workspaces",
                "apps.accounts.context_processors.sign_in",
            ],
        },
    }
]

LANGUAGE_CODE = "en"
# A language is added by its catalogue in locale/ and its line here.
LANGUAGES = [("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"django.contrib.auth.password_validation.{validator}", "OPTIONS": options}
    for validator, options in (
        ("UserAttributeSimilarityValidator", {"user_attributes": ("email", "name")}),
        ("MinimumLengthValidator", {"min_length": 10}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
PASSWORD_RESET_TIMEOUT = 3600
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/dashboard/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
# Failed attempts are counted for each caller; behind a proxy it alone knows who calls.
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if TRUSTED_PROXY else 0
ACCOUNT_ADAPTER = "apps.accounts.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
# Without a mail server nobody could ever confirm; with the outbox of development they may.
ACCOUNT_EMAIL_VERIFICATION = (
    "mandatory" if EMAIL_CONFIGURED else "none" if IN_PRODUCTION else "optional"
)
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 3
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_MAX_EMAIL_ADDRESSES = 2
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if SECURE_SSL_REDIRECT else "http"
ACCOUNT_RATE_LIMITS = {
    # By address of the caller, and by account, whoever asks: both must be spared.
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "signup": "20/m/ip",
    "reset_password": "20/m/ip,3/15m/key",
    "reset_password_from_key": "20/m/ip",
    "confirm_email": "1/1m/key",
    "manage_email": "10/m/user",
    "change_password": "5/m/user",
    "reauthenticate": "10/m/user",
}
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
USERSESSIONS_TRACK_ACTIVITY = False
MFA_ADAPTER = "apps.accounts.adapters.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_FORMS = {"add_webauthn": "apps.accounts.forms.PasskeyForm"}
MFA_TOTP_ISSUER = "YouTube Streamer"
# Browsers allow passkeys on http://localhost; everywhere else they insist on HTTPS themselves.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not SECURE_SSL_REDIRECT
SOCIALACCOUNT_ADAPTER = "apps.accounts.adapters.SocialAccountAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_PROVIDERS = {
    "google": {
        "SCOPE": ["openid", "profile", "email"],
        "OAUTH_PKCE_ENABLED": True,
        "AUTHORIZE_URL": GOOGLE_AUTHORIZE_URL,
        "ACCESS_TOKEN_URL": GOOGLE_TOKEN_URL,
        "IDENTITY_URL": GOOGLE_USERINFO_URL,
        "CERTS_URL": GOOGLE_CERTS_URL,
        "ID_TOKEN_ISSUER": GOOGLE_ISSUER,
        **(
            {"APPS": [{"client_id": GOOGLE_CLIENT_ID, "secret": GOOGLE_CLIENT_SECRET, "key": ""}]}
            if GOOGLE_SIGN_IN
            else {}
        ),
    }
}

SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = SECURE_SSL_REDIRECT
CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_SECONDS > 0
SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
X_FRAME_OPTIONS = "DENY"
if TRUSTED_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "media-src": [SELF, "blob:"],
        "worker-src": [SELF, "blob:"],
        "manifest-src": [SELF],
        # Chromium holds redirects after a form to this as well: "Continue with Google" is a form.
        "form-action": [SELF, *([_origin(GOOGLE_AUTHORIZE_URL)] if GOOGLE_SIGN_IN else [])],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

UNFOLD = {"SITE_TITLE": "YouTube Streamer", "SITE_HEADER": "YouTube Streamer"}

LOGGING_CONFIG = "config.logs.configure"
LOGGING = logging_config(level=LOG_LEVEL, as_json=LOG_FORMAT == "json")

if SENTRY_DSN:
    try:
        import sentry_sdk  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise ImproperlyConfigured(
            "SENTRY_DSN is set but sentry-sdk is not installed. Install it, or unset the variable."
        ) from None
    sentry_sdk.init(dsn=SENTRY_DSN, send_default_pii=False, include_local_variables=False)
