"""Corrections of an article that an issue carried; review links"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("issue", sa.Column("corrects", sa.Integer(), nullable=True))
    op.add_column("issue", sa.Column("corrected_article", AutoString(length=120), nullable=False, server_default=""))
    op.create_table(
        "review_link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", AutoString(length=64), nullable=False),
        sa.Column("issue", sa.Integer(), nullable=False),
        sa.Column("issue_hash", AutoString(length=64), nullable=False),
        sa.Column("made_by", AutoString(length=120), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
    )


def downgrade() -> None:
    op.drop_table("review_link")
    op.drop_column("issue", "corrected_article")
    op.drop_column("issue", "corrects")
