"""Loaded before any test, and so before the folder `playout` could pass for the package.

pytest names a test by its path, `playout.tests.unit.…`, and would import the project folder
`playout` as a namespace on its way. Once the engine is imported, that name is taken.
"""

import playout.clock  # noqa: F401
