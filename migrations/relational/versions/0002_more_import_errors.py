"""more import errors than 31 bits count

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # SQLite's row ids have 64 bits already
    if op.get_bind().dialect.name == 'postgresql':
        op.execute('ALTER TABLE import_errors ALTER COLUMN id TYPE BIGINT')
        op.execute('ALTER SEQUENCE import_errors_id_seq AS BIGINT')


def downgrade() -> None:
    raise NotImplementedError('ids above 31 bits do not fit back')
