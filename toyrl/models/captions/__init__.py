"""Captions judged online: what was labelled, what a model makes of it, and who labels."""
