"""The Sigma rules that are held: which engine has them, what became of them, what they found in the past."""
