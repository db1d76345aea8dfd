"""The stories, one file each, read top to bottom: each arrow is one awaited call into one craft."""
