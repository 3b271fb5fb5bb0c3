"""The first tables, and the view that shows them in plain words.

In ``pagetimer_page_views`` points in time are UTC: on PostgreSQL a ``timestamp``, on SQLite text,
``2026-03-01 09:30:00.250``, what its own date functions read, what BI tools take for a date and
time, and sorts by time.
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None

_ID = sa.LargeBinary(16)
_LARGE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


_NAME = _text(255)
_TEXT = _text(512)


def upgrade() -> None:
    """Make the tables, the indexes, the view, and the store's own identity."""
    _dimensions()
    _page_views()
    _beats()
    _purges()
    op.execute(_view(op.get_bind().dialect.name))
    meta = op.create_table(
        "pagetimer_meta",
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("value", _TEXT, nullable=False),
    )
    op.execute(meta.insert().values(name="identity", value=secrets.token_hex(16)))


def _purges() -> None:
    op.create_table(
        "pagetimer_purge",
        sa.Column("purge_id", sa.Integer, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("user", _NAME),
        sa.Column("key", _NAME),
        sa.Column("session", _NAME),
        sa.Column("path", _TEXT),
        sa.Column("site", _NAME),
        sa.Column("kinds", _NAME, nullable=False),
        sa.Column("started_from", sa.BigInteger),
        sa.Column("started_to", sa.BigInteger),
    )
    op.create_table(
        "pagetimer_purged_view",
        sa.Column("view_id", _ID, primary_key=True),
        sa.Column("purged_at", sa.BigInteger, nullable=False),
        sa.Column("kept_to", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _dimensions() -> None:
    op.create_table(
        "pagetimer_page",
        sa.Column("page_id", sa.Integer, primary_key=True),
        sa.Column("site", _NAME, nullable=False),
        sa.Column("path", _TEXT, nullable=False),
        sa.Column("route", _TEXT, nullable=False),
        sa.UniqueConstraint("path", "site", "route", name="pagetimer_page_key"),
    )
    op.create_table(
        "pagetimer_person",
        sa.Column("person_id", sa.Integer, primary_key=True),
        sa.Column("username", _NAME, nullable=False),
        sa.UniqueConstraint("username", name="pagetimer_person_key"),
    )
    op.create_table(
        "pagetimer_session",
        sa.Column("session_id", _LARGE, primary_key=True),
        sa.Column("session_key", _ID, nullable=False),
        sa.UniqueConstraint("session_key", name="pagetimer_session_key"),
    )
    op.create_table(
        "pagetimer_agent",
        sa.Column("agent_id", sa.Integer, primary_key=True),
        sa.Column("agent", _TEXT, nullable=False),
        sa.Column("browser", _NAME),
        sa.Column("system", _NAME),
        sa.Column("device", _NAME),
        sa.Column("bot", sa.SmallInteger, nullable=False),
        sa.UniqueConstraint("agent", name="pagetimer_agent_key"),
    )
    op.create_table(
        "pagetimer_referrer",
        sa.Column("referrer_id", sa.Integer, primary_key=True),
        sa.Column("referrer", _TEXT, nullable=False),
        sa.UniqueConstraint("referrer", name="pagetimer_referrer_key"),
    )


def _page_views() -> None:
    op.create_table(
        "pagetimer_page_view",
        sa.Column("view_id", _ID, primary_key=True),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("page_id", sa.Integer, nullable=False),
        sa.Column("first_seq", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("last_seen_at", sa.BigInteger, nullable=False),
        sa.Column("visible_ms", sa.BigInteger),
        sa.Column("engaged_ms", sa.BigInteger),
        sa.Column("words", sa.BigInteger),
        sa.Column("capped", sa.SmallInteger, nullable=False),
        sa.Column("ended", sa.SmallInteger, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("site_seq", sa.BigInteger),
        sa.Column("route_seq", sa.BigInteger),
        sa.Column("referrer_id", sa.Integer),
        sa.Column("referrer_seq", sa.BigInteger),
        sa.Column("agent_id", sa.Integer),
        sa.Column("agent_seq", sa.BigInteger),
        sa.Column("ip_address", _text(45)),
        sa.Column("ip_address_seq", sa.BigInteger),
        sa.Column("client_started_at", sa.BigInteger),
        sa.Column("client_started_at_seq", sa.BigInteger),
        sa.Column("person_id", sa.Integer),
        sa.Column("session_id", _LARGE),
        sa.Column("visitor", sa.SmallInteger, nullable=False),
        sa.Column("identity_seq", sa.BigInteger),
    )
    op.create_index("pagetimer_page_view_started_at", "pagetimer_page_view", ["started_at"])
    op.create_index("pagetimer_page_view_page", "pagetimer_page_view", ["page_id"])
    for name in ("person", "session"):
        known = sa.text(f"{name}_id IS NOT NULL")
        op.create_index(
            f"pagetimer_page_view_{name}",
            "pagetimer_page_view",
            [f"{name}_id"],
            sqlite_where=known,
            postgresql_where=known,
        )


def _beats() -> None:
    op.create_table(
        "pagetimer_beat",
        sa.Column("view_id", _ID, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("why", sa.SmallInteger),
        sa.Column("visible_ms", sa.BigInteger),
        sa.Column("engaged_ms", sa.BigInteger),
        sqlite_with_rowid=False,
    )


def _sqlite_time(column: str) -> str:
    # Put together by hand: SQLite's own fractions of a second are rounded floats.
    return (
        f"strftime('%Y-%m-%d %H:%M:%S', v.{column} / 1000, 'unixepoch')"
        f" || printf('.%03d', v.{column} % 1000)"
    )


def _postgresql_time(column: str) -> str:
    # Unknown, as on SQLite, where no year of four digits holds it: one such row, made by a
    # wrong clock, would be an error for whoever asks for all.
    return (
        f"CASE WHEN v.{column} BETWEEN -62135596800000 AND 253402300799999"
        f" THEN to_timestamp(v.{column} / 1000.0) AT TIME ZONE 'UTC' END"
    )


def _view(dialect: str) -> str:
    time = {"sqlite": _sqlite_time, "postgresql": _postgresql_time}[dialect]
    digits = {"sqlite": "lower(hex({}))", "postgresql": "encode({}, 'hex')"}[dialect]
    return _VIEW.format(
        view_id=digits.format("v.view_id"),
        session_key=digits.format("session.session_key"),
        started_at=time("started_at"),
        last_seen_at=time("last_seen_at"),
        client_started_at=time("client_started_at"),
    )


_VIEW = """
CREATE VIEW pagetimer_page_views AS
SELECT {view_id} AS view_id,
  CASE v.kind WHEN 0 THEN 'page' WHEN 1 THEN 'log' WHEN 2 THEN 'ping' END AS kind,
  CASE WHEN v.site_seq IS NOT NULL THEN page.site END AS site,
  page.path AS path,
  CASE WHEN v.route_seq IS NOT NULL THEN page.route END AS route,
  person.username AS username,
  {session_key} AS session_key,
  CASE WHEN session.session_key IS NOT NULL
    THEN CASE v.visitor WHEN 1 THEN 'visitor' ELSE 'session' END END AS session_kind,
  v.ip_address AS ip_address,
  agent.agent AS agent,
  agent.browser AS browser,
  agent.system AS system,
  agent.device AS device,
  CASE agent.bot WHEN 1 THEN 'yes' WHEN 0 THEN 'no' END AS bot,
  referrer.referrer AS referrer,
  v.words AS words,
  {started_at} AS started_at,
  {last_seen_at} AS last_seen_at,
  {client_started_at} AS client_started_at,
  v.visible_ms AS visible_ms,
  v.engaged_ms AS engaged_ms,
  CASE v.capped WHEN 1 THEN 'yes' ELSE 'no' END AS capped,
  CASE v.ended WHEN 1 THEN 'exact' ELSE 'at least' END AS ended
FROM pagetimer_page_view AS v
JOIN pagetimer_page AS page ON page.page_id = v.page_id
LEFT JOIN pagetimer_person AS person ON person.person_id = v.person_id
LEFT JOIN pagetimer_session AS session ON session.session_id = v.session_id
LEFT JOIN pagetimer_agent AS agent ON agent.agent_id = v.agent_id
LEFT JOIN pagetimer_referrer AS referrer ON referrer.referrer_id = v.referrer_id
"""
