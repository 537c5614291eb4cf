"""STIX patterns that say more than single observables can."""
