"""products by the time of their last change, for processes that look what others changed

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_products_updated', 'products', ['updated_at'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_products_updated', table_name='products')
