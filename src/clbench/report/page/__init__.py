"""The report as one self-contained HTML page: no request leaves it, it opens from disk, and every number is in it."""
