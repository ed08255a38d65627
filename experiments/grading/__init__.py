"""A task's reward on the user's own texts: a column a part."""
