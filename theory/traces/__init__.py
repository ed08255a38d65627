"""What a table learns from traces: coverage, success at any length, and what errors add up to."""
