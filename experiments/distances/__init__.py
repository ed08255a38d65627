"""How far apart rewards are on a process, a chain of reasoning or a log: `toyrl distance`."""
