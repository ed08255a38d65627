"""Search by populations: novelty, quality, diversity."""
