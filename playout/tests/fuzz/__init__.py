"""Mutated bytes for every parser that reads what others wrote; what broke once stays in corpus/."""
