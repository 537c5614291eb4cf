"""Hold what is known: objects as their original bytes, who said them, under which agreement, and for how long."""
