"""Findings that editors let stand, with the reason"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("issue", sa.Column("waivers", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("issue", "waivers")
