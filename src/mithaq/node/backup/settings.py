"""Limits of a backup file, with their units."""

FORMAT = 1
CHUNK_BYTES = 1024 * 1024
SCRYPT_N = 2**17
SCRYPT_R = 8
"""128 MiB of memory a guess: a backup leaves the house, and its passphrase is all that protects it."""

MAX_NAME_BYTES = 1000
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
ROWS_A_BLOCK = 500
SNAPSHOT_ATTEMPTS = 5
"""How often the lake may change under a backup before it gives up; each attempt takes milliseconds."""
