"""A provider's story: asked → quoted → ordered → released → observed → inspected → proven."""
