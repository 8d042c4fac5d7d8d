"""Texts of articles that were typed at the desk and not saved"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unsaved_article",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("who", AutoString(length=120), nullable=False),
        sa.Column("slug", AutoString(length=120), nullable=False),
        sa.Column("base_hash", AutoString(length=64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("saved_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("who", "slug"),
    )


def downgrade() -> None:
    op.drop_table("unsaved_article")
