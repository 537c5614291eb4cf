"""The ways in that are not a partner: STIX bundles, MISP event files, lists and CSV, pasted text."""
