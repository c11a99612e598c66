"""what developers say of their searches; whose words on tags are one, and how many a tag needs

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

import api.kit.db

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'search_verdicts',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('tenant_id', sa.String(), nullable=False),
        sa.Column('query_id', sa.String(length=40), nullable=False),
        sa.Column('object_index', sa.Integer(), nullable=False),
        sa.Column('product_id', sa.String(length=40), nullable=False),
        sa.Column('is_right', sa.Boolean(), nullable=False),
        sa.Column('vector', sa.LargeBinary(), nullable=False),
        sa.Column('embedder_version', sa.String(length=100), nullable=False),
        sa.Column('created_at', api.kit.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column('updated_at', api.kit.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('tenant_id', 'query_id', 'object_index', 'product_id'),
    )
    op.add_column('tag_votes', sa.Column('voter', sa.String(length=64), nullable=False, server_default=''))
    # until now each view was one of its own
    op.execute("UPDATE tag_votes SET voter = nonce")
    op.create_index('ix_tag_votes_at', 'tag_votes', ['at'], unique=False)
    op.add_column('tags', sa.Column('votes_needed', sa.Integer(), nullable=False, server_default=sa.text('3')))


def downgrade() -> None:
    op.drop_column('tags', 'votes_needed')
    op.drop_index('ix_tag_votes_at', table_name='tag_votes')
    op.drop_column('tag_votes', 'voter')
    op.drop_table('search_verdicts')
