"""Postings of the index may be gathered from now on: a program that would misread them refuses this database."""

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change nothing: the worker gathers what is there, a chunk at a time."""
