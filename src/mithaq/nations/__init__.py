"""This node, partner nations, people, and the keys that prove them."""
