"""The receiver: a process that takes lines from the network and puts them into the spool."""
