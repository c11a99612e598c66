"""videos: checkpoints, live streams, posters, and things that appear in several shots

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

import api.kit.db

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'video_checkpoints',
        sa.Column('media_id', sa.String(), nullable=False),
        sa.Column('tenant_id', sa.String(), nullable=False),
        sa.Column('at_ms', sa.Integer(), nullable=False),
        sa.Column('state', sa.LargeBinary(), nullable=False),
        sa.Column('updated_at', api.kit.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['media_id'], ['media.id'], ),
        sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], ),
        sa.PrimaryKeyConstraint('media_id')
    )
    op.add_column('media', sa.Column('live', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column('media', sa.Column('stopping', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column('media', sa.Column('poster_key', sa.String(length=200), nullable=True))
    op.add_column('tags', sa.Column('weights', sa.JSON(), nullable=True))
    op.add_column('tags', sa.Column('object_id', sa.String(length=40), nullable=True))
    op.add_column('tags', sa.Column('poster_key', sa.String(length=200), nullable=True))


def downgrade() -> None:
    op.drop_column('tags', 'poster_key')
    op.drop_column('tags', 'object_id')
    op.drop_column('tags', 'weights')
    op.drop_column('media', 'poster_key')
    op.drop_column('media', 'stopping')
    op.drop_column('media', 'live')
    op.drop_table('video_checkpoints')
