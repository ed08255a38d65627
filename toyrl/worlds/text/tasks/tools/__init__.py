"""Calls of tools: as JSON in the text, or as the tool calls of chat messages."""

from toyrl.worlds.text.tasks.tools.data import check_row, of_rows
from toyrl.worlds.text.tasks.tools.made import TOOL_CALLS, TOOLS

__all__ = ["TOOLS", "TOOL_CALLS", "check_row", "of_rows"]
