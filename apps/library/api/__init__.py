"""The library for programs: files over REST, uploads by tus."""
