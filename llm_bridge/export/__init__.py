"""A catalogue reward as a file for a trainer: what it can carry, the form it calls, the writer.

`trl`, `verl`, `openrlhf` and `verifiers` each stand alone: they import `toyrl` and their target
only, because `write.export` copies their source into the file that it writes.
"""
