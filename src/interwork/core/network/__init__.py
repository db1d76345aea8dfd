"""The words of planning over the network: plans over quotes, products over tiers and periods, planning with others."""
