"""The archive: what is kept out of it, notes, and its articles as they were published"""

import unicodedata

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("article", sa.Column("kept_out", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("issue", sa.Column("kept_out", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("issue", sa.Column("note", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("issue", sa.Column("archive_changed_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
    op.create_table(
        "archived_article",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("edition_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("group", sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
        sa.Column("language", sqlmodel.sql.sqltypes.AutoString(length=35), nullable=False),
        sa.Column("section", sqlmodel.sql.sqltypes.AutoString(length=120), nullable=False),
        sa.Column("topics", sa.JSON(), nullable=False),
        sa.Column("title", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("summary", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("folded", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["edition.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("edition_id", "position"),
    )
    _fill()


def _fill() -> None:
    """Issues that were published before: their articles as they are now, the nearest to what was said then."""
    connection = op.get_bind()
    article = sa.table(
        "article",
        *(sa.column(name) for name in ("slug", "group", "language", "title", "summary", "body", "section")),
        sa.column("topics", sa.JSON()),
    )
    edition = sa.table("edition", sa.column("id"), sa.column("archive", sa.Boolean()), sa.column("articles", sa.JSON()))
    archived = sa.table(
        "archived_article",
        *(sa.column(name) for name in ("edition_id", "position", "group", "language", "section", "title", "summary")),
        sa.column("topics", sa.JSON()),
        sa.column("folded"),
    )
    for edition_id, slugs in connection.execute(
        sa.select(edition.c.id, edition.c.articles).where(edition.c.archive).order_by(edition.c.id)
    ).all():
        found = {row.slug: row for row in connection.execute(sa.select(article).where(article.c.slug.in_(slugs)))}
        rows = [
            {
                "edition_id": edition_id,
                "position": position,
                "group": found[slug].group,
                "language": found[slug].language,
                "section": found[slug].section or "",
                "topics": found[slug].topics,
                "title": found[slug].title,
                "summary": found[slug].summary,
                "folded": _folded(found[slug].title, found[slug].summary, found[slug].body),
            }
            for position, slug in enumerate(slugs)
            if slug in found
        ]
        if rows:
            connection.execute(sa.insert(archived), rows)


def _folded(*texts: str) -> str:
    visible = "".join(c for c in " ".join(texts) if unicodedata.category(c) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold()).split())


def downgrade() -> None:
    op.drop_table("archived_article")
    op.drop_column("issue", "archive_changed_at")
    op.drop_column("issue", "note")
    op.drop_column("issue", "kept_out")
    op.drop_column("article", "kept_out")
