"""The gate: whether an object may leave, and why not."""
