"""The words of one part: its shape, and the plan of how it is made; `core.design` shows them all."""
