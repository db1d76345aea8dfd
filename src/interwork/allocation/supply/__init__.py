"""Products of many parts over tiers and periods, planned with the network search over quotes; shortages of them."""
