"""Definitions written for a user to go on from: task cards, benchmarks, baselines, methods."""
