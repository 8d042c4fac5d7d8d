"""Families of mailboxes in the outbox, pace, and what is due among the notices"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_DUE = sa.text("state IN ('pending', 'deferred')")


def upgrade() -> None:
    op.drop_index("ix_delivery_due", table_name="delivery")
    op.add_column(
        "delivery",
        sa.Column("family", sqlmodel.sql.sqltypes.AutoString(length=40), nullable=False, server_default=""),
    )
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["issue_id", "family", "due_at", "id"],
        unique=False,
        sqlite_where=_DUE,
        postgresql_where=_DUE,
    )
    op.create_index("ix_notice_due", "notice", ["due_at", "id"], unique=False, sqlite_where=_DUE, postgresql_where=_DUE)
    op.create_table(
        "pace",
        sa.Column("scope", sqlmodel.sql.sqltypes.AutoString(length=300), nullable=False),
        sa.Column("second_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("hour_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("today", sa.Integer(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("held_until", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("ramp", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("scope"),
    )


def downgrade() -> None:
    op.drop_table("pace")
    op.drop_index("ix_notice_due", table_name="notice")
    op.drop_index("ix_delivery_due", table_name="delivery")
    op.drop_column("delivery", "family")
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["issue_id", "due_at", "id"],
        unique=False,
        sqlite_where=_DUE,
        postgresql_where=_DUE,
    )
