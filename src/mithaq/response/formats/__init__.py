"""Blocklists as firewalls, resolvers and sensors read them: the same entries always give the same bytes."""
