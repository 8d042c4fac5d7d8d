"""Webhook calls to operators; what a scrape of the metrics reads without counting everything"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ODD = sa.text("state IN ('deferred', 'rejected', 'expired', 'skipped', 'cancelled', 'uncertain')")
_STARTED = sa.text("state = 'started'")
_PENDING = sa.text("state = 'pending'")
_OPEN = sa.text("stopped_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "webhook_call",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sqlmodel.sql.sqltypes.AutoString(length=200), nullable=False),
        sa.Column("state", sqlmodel.sql.sqltypes.AutoString(length=12), nullable=False),
        sa.Column("body", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("due_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("answer", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("created_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("settled_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index(
        "ix_webhook_call_due", "webhook_call", ["due_at"], sqlite_where=_PENDING, postgresql_where=_PENDING
    )
    op.create_index(
        "ix_delivery_odd", "delivery", ["issue_id", "state"], sqlite_where=_ODD, postgresql_where=_ODD
    )
    op.create_index(
        "ix_notice_started", "notice", ["id"], sqlite_where=_STARTED, postgresql_where=_STARTED
    )
    op.create_index("ix_worker_open", "worker", ["heartbeat_at"], sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.add_column("issue", sa.Column("planned", sa.Integer(), nullable=True))
    op.add_column("issue", sa.Column("build_seconds", sa.Float(), nullable=True))
    op.execute(
        "UPDATE issue SET planned = (SELECT count(*) FROM delivery WHERE delivery.issue_id = issue.id) "
        "WHERE frozen_at IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_column("issue", "build_seconds")
    op.drop_column("issue", "planned")
    op.drop_index("ix_worker_open", table_name="worker")
    op.drop_index("ix_notice_started", table_name="notice")
    op.drop_index("ix_delivery_odd", table_name="delivery")
    op.drop_index("ix_webhook_call_due", table_name="webhook_call")
    op.drop_table("webhook_call")
