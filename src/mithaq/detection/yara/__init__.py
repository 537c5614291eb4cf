"""YARA rules asked of files, by YARA-X, in processes with limits."""
