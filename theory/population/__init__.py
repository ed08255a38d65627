"""Search by populations: coverage by chance, novelty, codes and surprise, signatures of paths."""
