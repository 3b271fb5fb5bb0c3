"""The intranet of a harbour office: Django, with its own log-in, templates and a stylesheet.

From a clone::

    python3 -m venv .venv && .venv/bin/pip install . Django gunicorn
    .venv/bin/gunicorn --workers 2 --chdir examples/django_intranet intranet.wsgi

Then open http://127.0.0.1:8000/ and log in as ``milo`` (password ``lantern``), a pilot, or as
``vera`` (password ``breakwater``), who runs the office and may look at
http://127.0.0.1:8000/_pagetimer/. Users and sessions are in ``intranet.sqlite3``, made beside this
file at the first start.
"""

from __future__ import annotations

import fcntl
import os

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

from pagetimer_wsgi import PageTimer

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "intranet.settings")
PEOPLE = {"milo": "lantern", "vera": "breakwater"}


def make_ready() -> None:
    """Make tables and people where they are missing, once for all workers of a server."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.core.management import call_command

    with open(f"{settings.DATABASES['default']['NAME']}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        call_command("migrate", verbosity=0)
        for name, password in PEOPLE.items():
            if not User.objects.filter(username=name).exists():
                User.objects.create_user(name, password=password)


application = StaticFilesHandler(get_wsgi_application())
application = PageTimer(application, identify="pagetimer_wsgi.django:identify", viewers="vera")
make_ready()
