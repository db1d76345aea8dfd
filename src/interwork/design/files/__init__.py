"""The files designs come in, each read strictly and within limits."""
