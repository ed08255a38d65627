"""Agents that remember earlier attempts at the same hidden task, trained and exactly evaluated."""
