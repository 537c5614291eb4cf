"""What sensors of this nation look for: content in their own formats, in signed, numbered bundles."""
