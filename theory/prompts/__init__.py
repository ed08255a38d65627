"""What rewards of prompts pay for: even and uneven prompts, ties, best outputs, inputs' offsets."""
