"""The web project: lowest first core, accounts, billing, library, youtube, streaming, ops."""
