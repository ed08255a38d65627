"""Finding it: bonuses for what is new, what they pay whom, and when they count."""
