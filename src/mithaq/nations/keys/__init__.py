"""A nation's keys over time: root officials, the statements they sign, and what the running node may sign with."""
