"""The partner channel over HTTP: signed requests, long-polls, receipts."""
