"""The words of MISP: its core format, feeds and named parameters, and how STIX is said in them. No I/O."""
