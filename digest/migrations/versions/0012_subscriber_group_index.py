"""Readers are counted by one index, which takes the place of two"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_COLUMNS = ["state", "language", "interests", "frequency", "format", "paused_until"]


def upgrade() -> None:
    op.create_index("ix_subscriber_group", "subscriber", _COLUMNS)
    op.drop_index("ix_subscriber_interests", "subscriber")
    op.drop_index("ix_subscriber_state", "subscriber")


def downgrade() -> None:
    op.create_index("ix_subscriber_state", "subscriber", ["state"])
    op.create_index("ix_subscriber_interests", "subscriber", ["interests"])
    op.drop_index("ix_subscriber_group", "subscriber")
