"""What rewards of relevance and of compression are maximised by, in closed form."""
