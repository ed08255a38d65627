"""Partial rewards of a query: may a wrong one outrank a right one, what do they teach?"""
