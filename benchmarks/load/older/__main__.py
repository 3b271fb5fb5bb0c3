"""Their tables, and the readers' sessions: ``python -m load.older``."""

from datetime import datetime, timedelta
from importlib import import_module

import django
from django.core.management import call_command

from ..readers import READERS, session_key


def main() -> None:
    django.setup()
    call_command("migrate", verbosity=0)
    session = import_module("django.contrib.sessions.models").Session  # after the set-up alone
    later = datetime.now() + timedelta(days=7)
    session.objects.bulk_create(
        session(session_key=session_key(reader), session_data="", expire_date=later)
        for reader in range(READERS)
    )


main()
