"""A part made across the network: offers and quotes of one need in, a checked plan with its bound and reasons out."""
