"""Sums of terms against products: what they pay for standing still, and who escapes from it."""
