"""What more samples buy on a log with scores: pass@k, best of k, votes, and where it turns."""
