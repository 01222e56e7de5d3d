"""What every method must keep, shipped or a user's: each promise is checked on a tiny benchmark."""
