"""The channel for nations without a link: the same envelopes in a file that somebody carries."""
