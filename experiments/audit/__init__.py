"""Is a judge biased, and what would that do to training?"""
