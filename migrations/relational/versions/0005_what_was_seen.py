"""what was seen on a product's picture, beside its vector

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('product_vectors', sa.Column('seen', sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column('product_vectors', 'seen')
