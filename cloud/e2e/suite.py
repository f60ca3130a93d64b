"""Runs the cases and says how each went; the last line is `N passed, N failed`."""
import os
import sys
import time
import traceback
import unittest

import cloud
import scene

HERE = os.path.dirname(os.path.abspath(__file__))


class Told(unittest.TestResult):
    """One line for each case, and the trouble under it."""

    # What fails between the cases, such as the cleaning up of a class, has no beginning.
    began = time.time()

    def startTest(self, test):
        super().startTest(test)
        self.began = time.time()
        print("%s ... " % scene.title(test), end="", flush=True)

    def addSuccess(self, test):
        self._end("ok")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._trouble(err)

    def addError(self, test, err):
        super().addError(test, err)
        self._trouble(err)

    def _end(self, how):
        print("%s (%.0f s)" % (how, time.time() - self.began), flush=True)

    def _trouble(self, err):
        self._end("FAILED")
        print("".join(traceback.format_exception(*err)), flush=True)
        for name in scene.UNDER_TEST.logs():
            print("--- the end of %s" % name)
            with open(os.path.join(cloud.CLOUD_DIR, "log", name), errors="replace") as f:
                print("".join(line[:300].rstrip("\n") + "\n" for line in f.readlines()[-25:]), flush=True)


def cases(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from cases(test)
        else:
            yield test


def main(wanted):
    found = [t for t in cases(unittest.defaultTestLoader.discover(HERE))
             if scene.can_run(t) and (not wanted or any(w in scene.title(t) for w in wanted))]
    if not found:
        sys.exit("no case is called %s" % " or ".join(wanted))
    result = Told()
    # In a long run the state of the first failure counts.
    result.failfast = scene.SOAK > 0
    try:
        unittest.TestSuite(found).run(result)
    finally:
        scene.UNDER_TEST.down()
    failed = len(result.failures) + len(result.errors)
    print("%d passed, %d failed" % (max(result.testsRun - failed, 0), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
