"""The golden record: what today's program computes, for later versions to be compared with."""
