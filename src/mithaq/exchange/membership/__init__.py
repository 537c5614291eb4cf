"""The membership log: what a nation accepted of an agreement's versions, statements and keys."""
