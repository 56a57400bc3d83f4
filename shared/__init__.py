"""Tocsin's library: the pure core (model, conditions, decide, announce), its ports and its shells.

Importing it sets one thing in the process: how often the garbage collector looks through everything. Python's own
measure, every 700 new objects, is for small programs: a sixth of a function's start would go into finding that the
classes that were just made are still needed, and a pause into every few deliveries.
"""

import gc

_NEW_OBJECTS = 20_000
gc.set_threshold(_NEW_OBJECTS)
