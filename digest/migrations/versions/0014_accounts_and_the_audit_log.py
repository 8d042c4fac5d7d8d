"""Accounts, their sessions at the desk, the audit log; approvals with their login and route"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("login", AutoString(length=60), nullable=False),
        sa.Column("name", AutoString(length=120), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("password_hash", AutoString(length=200), nullable=False),
        sa.Column("totp_secret", AutoString(length=200), nullable=False),
        sa.Column("totp_step", sa.Integer(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("disabled_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("login"),
    )
    op.create_table(
        "desk_session",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", AutoString(length=64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("seen_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_index("ix_desk_session_account_id", "desk_session", ["account_id"], unique=False)
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("who", AutoString(length=120), nullable=False),
        sa.Column("route", AutoString(length=20), nullable=False),
        sa.Column("what", AutoString(length=40), nullable=False),
        sa.Column("about", AutoString(length=120), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_audit_entry_at", "audit_entry", ["at"], unique=False)
    op.add_column("issue", sa.Column("approvals", sa.JSON(), nullable=False, server_default="[]"))
    issue = sa.table("issue", sa.column("id", sa.Integer), sa.column("approved_by"), sa.column("approvals", sa.JSON))
    connection = op.get_bind()
    approved = sa.select(issue.c.id, issue.c.approved_by).where(issue.c.approved_by.is_not(None))
    for of_id, names in connection.execute(approved).all():
        given = [{"name": name, "login": "", "route": "command line"} for name in names.split("; ") if name]
        connection.execute(sa.update(issue).where(issue.c.id == of_id).values(approvals=given))


def downgrade() -> None:
    op.drop_column("issue", "approvals")
    op.drop_index("ix_audit_entry_at", table_name="audit_entry")
    op.drop_table("audit_entry")
    op.drop_index("ix_desk_session_account_id", table_name="desk_session")
    op.drop_table("desk_session")
    op.drop_table("account")
