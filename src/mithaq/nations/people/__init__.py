"""The people of this node: roles, one-time links, sessions, passkeys, API tokens, audit."""
