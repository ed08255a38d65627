"""Giving a return to the steps that earned it: what can be learned, and what it does."""
