"""Runs functional suites of others; a line for each test, `N passed, N failed` at the end.

A skipped test has shown nothing: it counts as failed. The suites print every request: into the file
that the first argument names.
"""
import sys
import unittest

MASAKARI = "masakari.tests.functional."
SDK = "openstack.tests.functional.instance_ha.v1."
SUITES = {
    "masakari-nouns": [MASAKARI + "test_segments", MASAKARI + "test_hosts"],
    "masakari-failures": [MASAKARI + "test_process_notifications", MASAKARI + "test_vm_notifications"],
    "sdk": [SDK + "test_segment", SDK + "test_host"],
}


TERMINAL = sys.stdout


def tell(line):
    print(line, file=TERMINAL, flush=True)


class Told(unittest.TestResult):
    passed = 0

    def addSuccess(self, test):
        self.passed += 1
        tell("ok      %s" % test.id())

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        tell("SKIPPED %s: %s" % (test.id(), reason))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._trouble(test, self.failures)

    def addError(self, test, err):
        super().addError(test, err)
        self._trouble(test, self.errors)

    def _trouble(self, test, kept):
        # Without what the test printed, which is in the file.
        why = kept[-1][1].split("Traceback (most recent call last)")[-1]
        tell("FAILED  %s\n%s" % (test.id(), why))


def main(log, *names):
    sys.stdout = sys.stderr = open(log, "w")
    result = Told()
    for name in names or sorted(SUITES):
        unittest.defaultTestLoader.loadTestsFromNames(SUITES[name]).run(result)
    others = len(result.failures) + len(result.errors) + len(result.skipped)
    tell("%d passed, %d failed" % (result.passed, others))
    return 1 if others else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
