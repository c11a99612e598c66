"""what shoppers say of the products on tags, and what they click together

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

import api.kit.db

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'tag_votes',
        sa.Column('tag_id', sa.String(length=40), nullable=False),
        sa.Column('nonce', sa.String(length=64), nullable=False),
        sa.Column('tenant_id', sa.String(), nullable=False),
        sa.Column('site_id', sa.String(), nullable=False),
        sa.Column('product_id', sa.String(length=40), nullable=False),
        sa.Column('verdict', sa.Enum('not_this', 'right', name='verdict'), nullable=False),
        sa.Column('at', api.kit.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['site_id'], ['sites.id']),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id']),
        sa.PrimaryKeyConstraint('tag_id', 'nonce'),
    )
    op.create_index('ix_tag_votes_site', 'tag_votes', ['site_id', 'at'], unique=False)
    op.create_index('ix_tag_votes_tenant', 'tag_votes', ['tenant_id'], unique=False)
    op.create_table(
        'co_clicks',
        sa.Column('product_id', sa.String(length=40), nullable=False),
        sa.Column('other_id', sa.String(length=40), nullable=False),
        sa.Column('views', sa.Integer(), nullable=False),
        sa.Column('counted_at', api.kit.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('product_id', 'other_id'),
    )
    op.add_column('tags', sa.Column('voted_off', sa.JSON(), nullable=False, server_default=sa.text("'[]'")))


def downgrade() -> None:
    op.drop_column('tags', 'voted_off')
    op.drop_table('co_clicks')
    op.drop_index('ix_tag_votes_tenant', table_name='tag_votes')
    op.drop_index('ix_tag_votes_site', table_name='tag_votes')
    op.drop_table('tag_votes')
    sa.Enum(name='verdict').drop(op.get_bind(), checkfirst=True)
