"""One encrypted file with everything a node needs to live again, and the way back."""
