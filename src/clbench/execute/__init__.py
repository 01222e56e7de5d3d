"""Carrying a plan out: Snakemake says what runs when, the store what is done."""
