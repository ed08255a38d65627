"""Worlds where the reward has to be found: locks, mazes, driving, bandits that change."""
