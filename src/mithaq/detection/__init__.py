"""What the holdings know, found in what the sensors see: live, in retrospect, as hits."""
