"""A catalogue reward in the form that each trainer calls.

Each module stands alone: it imports `toyrl` and its target only, because `toyrl export` copies
its source into the file that it writes.
"""
