"""What is to be looked for, as sensors read it; no value can end a field, a rule or a statement."""
