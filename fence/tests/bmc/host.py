"""A host that lives: writes the millisecond into a file, ten times a second, as long as it has power."""
import os
import sys
import time

path, parent = sys.argv[1], os.getppid()
# Not beyond the rig that started it.
while os.getppid() == parent:
    with open(path + ".new", "w", encoding="ascii") as beat:
        beat.write(str(time.time_ns() // 1_000_000))
    os.replace(path + ".new", path)
    time.sleep(0.1)
