"""What a benchmark is made of: frozen models, read from YAML with every error at once.

``catalogue`` finds cards by name, ``resolve`` turns a definition into all that a plan needs; nothing here
imports torch or numpy. The submodules are imported by name, so that listing names costs no schema.
"""
