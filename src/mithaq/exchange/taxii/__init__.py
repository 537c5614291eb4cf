"""The TAXII 2.1 server: collections that this nation's constituents read with the programs they have."""
