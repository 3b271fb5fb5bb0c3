"""A Django project for the two older packages, as their own READMEs set one up.

``BENCHMARK_DATABASE`` is ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST:PORT/NAME``.
"""

import os
from urllib.parse import urlsplit

SECRET_KEY = "of-a-benchmark"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "load.older.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "pagetimer",
    "djaffar",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
USE_TZ = False  # psycopg2 2.9 has no offsets as Django 1.11 wants them
USE_I18N = False  # Python 3.11 has no gettext as Django 1.11 calls it
USE_L10N = False


def _database(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.path}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.strip("/"),
        "USER": parts.username,
        "PASSWORD": parts.password,
        "HOST": parts.hostname,
        "PORT": parts.port,
    }


DATABASES = {"default": _database(os.environ["BENCHMARK_DATABASE"])}
