"""Their tables, and as many sessions as there are readers: ``python -m load.older``."""

from datetime import datetime, timedelta

import django
from django.core.management import call_command

django.setup()
call_command("migrate", verbosity=0)

from django.contrib.sessions.models import Session

from ..readers import READERS, session_key

later = datetime.now() + timedelta(days=7)
Session.objects.bulk_create(
    Session(session_key=session_key(reader), session_data="", expire_date=later)
    for reader in range(READERS)
)
