"""Experiments of the papers on exploration and credit."""
