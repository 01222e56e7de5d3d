"""What trains: a shared trunk with a head per task, and the batches it is given."""
