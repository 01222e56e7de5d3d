"""Predicting whole cases and measuring them in their native space."""
