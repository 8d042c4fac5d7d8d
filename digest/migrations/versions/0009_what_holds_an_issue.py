"""Why an issue is held, its circuit breaker, when a person made a delivery due again, and outcomes by evidence"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString()
_TIME = sqlmodel.sql.sqltypes.UTCDateTime()


def upgrade() -> None:
    op.add_column("issue", sa.Column("held_reason", _TEXT, nullable=False, server_default=""))
    op.add_column("issue", sa.Column("holds", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE issue SET held_reason = 'it was held before the reason was kept', holds = 1 WHERE held")
    op.add_column("delivery", sa.Column("retried_at", _TIME, nullable=True))
    op.add_column("notice", sa.Column("retried_at", _TIME, nullable=True))
    op.add_column("attempt", sa.Column("by_evidence", sa.Boolean(), nullable=False, server_default=sa.false()))
    # what `outbox reconcile` wrote into the reason: who assumed it, or file and line
    op.execute(
        "UPDATE attempt SET by_evidence = true WHERE outcome = 'rejected' AND id IN (SELECT attempt_id FROM delivery "
        "WHERE state = 'rejected' AND (reason LIKE 'assumed %' OR reason LIKE '%]'))"
    )
    op.create_table(
        "breaker",
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("refused", _TEXT, nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("since", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"]),
        sa.PrimaryKeyConstraint("issue_id"),
    )


def downgrade() -> None:
    op.drop_table("breaker")
    op.drop_column("attempt", "by_evidence")
    op.drop_column("notice", "retried_at")
    op.drop_column("delivery", "retried_at")
    op.drop_column("issue", "holds")
    op.drop_column("issue", "held_reason")
