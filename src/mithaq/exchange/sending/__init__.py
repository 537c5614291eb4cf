"""Hand a partner what waits for it: judged again, numbered, signed, logged and sealed when it is fetched."""
