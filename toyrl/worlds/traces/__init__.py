"""Programs that write their own reasoning: step-by-step traces with a checkable truth."""
