"""Limits of the pages, with their units."""

MAX_FORM_BYTES = 2 * 1024 * 1024
"""What one form may carry: a pasted report, never a bundle."""

MAX_UPLOAD_BYTES = 32 * 1024 * 1024
"""What one uploaded file may hold; larger ones go through the command line."""

ROWS_A_PAGE = 50
FEED_ITEMS = 12
