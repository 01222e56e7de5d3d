"""Pictures of forgetting: which cases show it, what is drawn of them, and the volumes behind the drawings."""
