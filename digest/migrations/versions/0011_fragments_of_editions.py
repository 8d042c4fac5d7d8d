"""Fragments of editions: what several editions of an issue have in common is stored once"""

import json

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_JOINED = sa.text(
    "SELECT e.id, e.issue_id, p.part, p.fragments FROM edition e JOIN edition_fragment p ON p.edition_id = e.id"
)
_FRAGMENTS = sa.text("SELECT issue_id, number, content FROM fragment")


def upgrade() -> None:
    # editions stored before keep their parts in their own columns
    op.create_table(
        "fragment",
        sa.Column("issue_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(length=64), nullable=False),
        sa.Column("content", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"]),
        sa.PrimaryKeyConstraint("issue_id", "number"),
        sa.UniqueConstraint("issue_id", "content_hash"),
    )
    op.create_table(
        "edition_fragment",
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("part", sqlmodel.sql.sqltypes.AutoString(length=4), nullable=False),
        sa.Column("fragments", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["edition.id"]),
        sa.PrimaryKeyConstraint("edition_id", "part"),
    )


def downgrade() -> None:
    connection = op.get_bind()
    contents = {(row.issue_id, row.number): row.content for row in connection.execute(_FRAGMENTS)}
    for row in connection.execute(_JOINED).all():
        numbers = json.loads(row.fragments) if isinstance(row.fragments, str) else row.fragments
        whole = "".join(contents[row.issue_id, number] for number in numbers)
        statement = f"UPDATE edition SET {row.part} = :whole WHERE id = :id"  # noqa: S608 - html or text
        connection.execute(sa.text(statement), {"whole": whole, "id": row.id})
    op.drop_table("edition_fragment")
    op.drop_table("fragment")
