"""Every line that was ever read, to be searched again: segments that grow, and sealed ones as Parquet."""
