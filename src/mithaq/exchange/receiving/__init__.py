"""Take a partner's releases: verify, admit or quarantine with reasons, and owe a receipt."""
