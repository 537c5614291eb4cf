"""Hold any node to the partner protocol: a program of its own that plays partner nations against a running node."""
