"""The ways in that are not a partner: STIX bundles, MISP events, lists, advisories, reports, mail, pasted text."""
