"""The tables, compact: ids as 16 bytes, points in time as milliseconds, words as small numbers.

What many page views share (page, person, session, agent, referrer) stands once, in a table of
its own. Their numbers are no declared foreign keys: PostgreSQL would look five up again at every
row (20 us), and the writer has just done so. Where a field of a page view is unknown, its deciding
seq (``…_seq``) is ``NULL``; in ``pagetimer_page`` an unknown site or route is ``''``, since a
unique constraint needs a value. The migrations make these tables; a test holds both to be the same.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeEngine

TEXT = 512
"""Characters of a path, route, referrer or agent."""
NAME = 255
"""Characters of a user or site."""

metadata = MetaData()

_LARGE = BigInteger().with_variant(Integer, "sqlite")


class Hex(GenericFunction[str]):
    """The hex digits, in lower case, of bytes."""

    type = String()
    inherit_cache = True


@compiles(Hex, "sqlite")
def _sqlite_hex(element: Hex, compiler: SQLCompiler, **options: Any) -> str:
    # SQLite's hex takes NULL for an empty text.
    return f"nullif(lower(hex({compiler.process(element.clauses, **options)})), '')"


@compiles(Hex, "postgresql")
def _postgresql_hex(element: Hex, compiler: SQLCompiler, **options: Any) -> str:
    return f"encode({compiler.process(element.clauses, **options)}, 'hex')"


def _text(length: int) -> TypeEngine[str]:
    # By code point, whatever the order of the database's own language.
    return String(length).with_variant(String(length, collation="C"), "postgresql")


page = Table(
    "pagetimer_page",
    metadata,
    Column("page_id", Integer, primary_key=True),
    Column("site", _text(NAME), nullable=False),
    Column("path", _text(TEXT), nullable=False),
    Column("route", _text(TEXT), nullable=False),
    # The path first: questions about one path find it by this.
    UniqueConstraint("path", "site", "route", name="pagetimer_page_key"),
)
person = Table(
    "pagetimer_person",
    metadata,
    Column("person_id", Integer, primary_key=True),
    Column("username", _text(NAME), nullable=False),
    UniqueConstraint("username", name="pagetimer_person_key"),
)
session = Table(
    "pagetimer_session",
    metadata,
    # Of these alone there may be over 2^31 in some years.
    Column("session_id", _LARGE, primary_key=True),
    Column("session_key", LargeBinary(16), nullable=False),
    UniqueConstraint("session_key", name="pagetimer_session_key"),
)
agent = Table(
    "pagetimer_agent",
    metadata,
    Column("agent_id", Integer, primary_key=True),
    Column("agent", _text(TEXT), nullable=False),
    Column("browser", _text(NAME)),
    Column("system", _text(NAME)),
    Column("device", _text(NAME)),
    Column("bot", SmallInteger, nullable=False),
    UniqueConstraint("agent", name="pagetimer_agent_key"),
)
referrer = Table(
    "pagetimer_referrer",
    metadata,
    Column("referrer_id", Integer, primary_key=True),
    Column("referrer", _text(TEXT), nullable=False),
    UniqueConstraint("referrer", name="pagetimer_referrer_key"),
)
page_view = Table(
    "pagetimer_page_view",
    metadata,
    Column("view_id", LargeBinary(16), primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("page_id", Integer, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Column("visible_ms", BigInteger),
    Column("engaged_ms", BigInteger),
    Column("words", BigInteger),
    Column("capped", SmallInteger, nullable=False),
    Column("ended", SmallInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("site_seq", BigInteger),
    Column("route_seq", BigInteger),
    Column("referrer_id", Integer),
    Column("referrer_seq", BigInteger),
    Column("agent_id", Integer),
    Column("agent_seq", BigInteger),
    Column("ip_address", _text(45)),
    Column("ip_address_seq", BigInteger),
    Column("client_started_at", BigInteger),
    Column("client_started_at_seq", BigInteger),
    Column("person_id", Integer),
    Column("session_id", _LARGE),
    Column("visitor", SmallInteger, nullable=False),
    Column("identity_seq", BigInteger),
)
beat = Table(
    "pagetimer_beat",
    metadata,
    Column("view_id", LargeBinary(16), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("received_at", BigInteger, nullable=False),
    Column("why", SmallInteger),
    Column("visible_ms", BigInteger),
    Column("engaged_ms", BigInteger),
    sqlite_with_rowid=False,
)
purge = Table(
    "pagetimer_purge",
    metadata,
    Column("purge_id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("user", _text(NAME)),
    Column("key", _text(NAME)),
    Column("session", _text(NAME)),
    Column("path", _text(TEXT)),
    Column("site", _text(NAME)),
    Column("kinds", _text(NAME), nullable=False),
    Column("started_from", BigInteger),
    Column("started_to", BigInteger),
)
purged_view = Table(
    "pagetimer_purged_view",
    metadata,
    Column("view_id", LargeBinary(16), primary_key=True),
    Column("purged_at", BigInteger, nullable=False),
    Column("kept_to", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
meta = Table(
    "pagetimer_meta",
    metadata,
    Column("name", _text(NAME), primary_key=True),
    Column("value", _text(TEXT), nullable=False),
)

Index("pagetimer_page_view_started_at", page_view.c.started_at)
Index("pagetimer_page_view_page", page_view.c.page_id)
Index(
    "pagetimer_page_view_person",
    page_view.c.person_id,
    sqlite_where=page_view.c.person_id.is_not(None),
    postgresql_where=page_view.c.person_id.is_not(None),
)
Index(
    "pagetimer_page_view_session",
    page_view.c.session_id,
    sqlite_where=page_view.c.session_id.is_not(None),
    postgresql_where=page_view.c.session_id.is_not(None),
)
