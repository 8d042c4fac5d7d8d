"""Issues outside the calendar, and the instant that a canary keeps the rest of its audience back until"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("issue", sa.Column("special", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("issue", sa.Column("rest_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("issue", "rest_at")
    op.drop_column("issue", "special")
