"""tries to sign in, counted over all processes

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

import api.kit.db

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'sign_in_tries',
        sa.Column('name', sa.String(length=64), nullable=False),
        sa.Column('since', api.kit.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column('tries', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('name'),
    )
    op.create_index(op.f('ix_sign_in_tries_since'), 'sign_in_tries', ['since'], unique=False)


def downgrade() -> None:
    op.drop_table('sign_in_tries')
