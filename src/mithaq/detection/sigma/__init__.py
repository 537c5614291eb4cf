"""Many Sigma rules at once over events."""
