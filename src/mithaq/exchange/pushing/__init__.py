"""Push what may go to a constituent's MISP."""
