"""How far a trunk's representations of each task move while later tasks are learnt."""
