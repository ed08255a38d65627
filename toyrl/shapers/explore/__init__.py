"""Rewards that lead to what the outcome alone would not find."""
