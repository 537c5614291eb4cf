"""The command line: noun then verb, data on standard output, talk on standard error."""
