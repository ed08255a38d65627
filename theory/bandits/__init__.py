"""Bandits that are met again: what exploring is worth to an agent that only maximises return."""
