"""From one line of a sensor's log to one event."""
