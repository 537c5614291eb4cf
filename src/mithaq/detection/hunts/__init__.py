"""What was seen before: hunts over the lines that are kept, and the process that answers them and keeps the lake."""
