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

    def __init__(self):
        super().__init__()
        # A long run's log is cut from the front: what failed is named again at its end.
        self.again = []

    def startTest(self, test):
        super().startTest(test)
        self.began = time.time()
        print("%s ... " % scene.title(test), end="", flush=True)

    def addSuccess(self, test):
        self._end("ok")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._trouble(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._trouble(test, err)

    def _end(self, how):
        print("%s (%.0f s)" % (how, time.time() - self.began), flush=True)

    def _trouble(self, test, err):
        self._end("FAILED")
        why = " ".join("".join(traceback.format_exception_only(*err[:2])).split())
        where = traceback.extract_tb(err[2])[-1]
        self.again.append("%s\n  %s:%s: %s" % (
            scene.title(test), os.path.basename(where.filename), where.lineno, why[:900]))
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
    for told in result.again:
        print("FAILED %s" % told)
    failed = len(result.failures) + len(result.errors)
    print("%d passed, %d failed" % (max(result.testsRun - failed, 0), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
