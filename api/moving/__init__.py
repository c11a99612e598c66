"""Whether a house may be opened at all: one that has moved away, or has not wholly arrived, must not count anything."""
