"""What Alembic runs. It uses the connection it is given and configures nothing else: no logging."""

from __future__ import annotations

from alembic import context

from pagetimer_wsgi.stores.sql.migrations import VERSION_TABLE
from pagetimer_wsgi.stores.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
# The connection is in a transaction already; Alembic begins none of its own then.
with context.begin_transaction():
    context.run_migrations()
