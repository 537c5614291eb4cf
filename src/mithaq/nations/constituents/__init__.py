"""Constituents of this nation and the accounts with which their programs speak to the node."""
