"""A running node: settings, composition, language, health."""
