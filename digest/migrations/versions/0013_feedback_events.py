"""Feedback events: reason, source, issue, sample, and whether their consequences were drawn"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_INDEXES = {
    "waiting": (["issue_id", "id"], "acted_at IS NULL"),
    "issue": (["issue_id", "kind"], "issue_id IS NOT NULL"),
    "sample": (["happened_at"], "sample IS NOT NULL"),
}
_FK = {"issue_id": "issue", "notice_id": "notice"}


def upgrade() -> None:
    with op.batch_alter_table("feedback_event", schema=None) as batch_op:
        batch_op.add_column(sa.Column("source", AutoString(length=8), nullable=False, server_default="mail"))
        batch_op.add_column(sa.Column("reason", AutoString(length=24), nullable=False, server_default=""))
        for column, table in _FK.items():
            batch_op.add_column(sa.Column(column, sa.Integer(), nullable=True))
            batch_op.create_foreign_key(f"fk_feedback_event_{column}_{table}", table, [column], ["id"])
        batch_op.add_column(sa.Column("sample", AutoString(), nullable=True))
        batch_op.add_column(sa.Column("acted_at", UTCDateTime(), nullable=True))
        batch_op.alter_column("source", server_default=None)
        batch_op.alter_column("reason", server_default=None)
        batch_op.create_index("ix_feedback_event_subscriber_id", ["subscriber_id"], unique=False)
    for name, (columns, where) in _INDEXES.items():
        rows = sa.text(where)
        op.create_index(
            f"ix_feedback_event_{name}", "feedback_event", columns, sqlite_where=rows, postgresql_where=rows
        )


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(f"ix_feedback_event_{name}", "feedback_event")
    with op.batch_alter_table("feedback_event", schema=None) as batch_op:
        batch_op.drop_index("ix_feedback_event_subscriber_id")
        for column, table in _FK.items():
            batch_op.drop_constraint(f"fk_feedback_event_{column}_{table}", type_="foreignkey")
        for column in ("acted_at", "sample", "notice_id", "issue_id", "reason", "source"):
            batch_op.drop_column(column)
