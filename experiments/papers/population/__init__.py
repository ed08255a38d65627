"""Experiments of the papers on population search."""
