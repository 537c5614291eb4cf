"""MISP for constituents: a feed, a server to be pulled from and pushed to, and PyMISP's common calls."""
