"""TAXII 2.1 for partner nations: what they have confirmed, one collection for each agreement."""
