"""The release log: who received what, when, under which agreement, provable by anybody afterwards."""
