"""What is a tool call worth piece by piece, and what does that do to training?"""
