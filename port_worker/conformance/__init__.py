"""The conformance kit: drives any worker through SPEC.md's rules and says which it keeps.

It shares no code with what it judges: terms, frames and waiting are its own. Only the tables of SPEC.md that are data,
atoms and codes of errors, come from `protocol`.
"""
