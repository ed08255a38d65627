"""Rewards of many tasks: what one rule for all pays, and what a checklist tells of a text."""
