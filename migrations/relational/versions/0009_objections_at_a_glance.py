"""which tags somebody objected to, found without counting the words on them

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('tags', sa.Column('objected', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(
        'ix_tags_objected',
        'tags',
        ['tenant_id', 'media_id'],
        unique=False,
        sqlite_where=sa.text('objected = 1'),
        postgresql_where=sa.text('objected'),
    )
    op.execute("UPDATE tags SET objected = true WHERE id IN (SELECT tag_id FROM tag_votes WHERE verdict = 'not_this')")


def downgrade() -> None:
    op.drop_index('ix_tags_objected', table_name='tags')
    op.drop_column('tags', 'objected')
