"""What stands beside a hostmonitor under test: an API that takes its reports and evidence, and the program itself."""
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'masakari'))
from false_api import Masakari, at_most, tell  # noqa: E402, F401


class Sink(Masakari):
    """What it took, by host."""

    def of(self, host):
        """What was reported of a host, in order."""
        return [event for _, of, event in self.hosts() if of == host]

    def last(self, host, event):
        """When that was reported last."""
        return [at for at, of, said in self.hosts() if (of, said) == (host, event)][-1]

    def all(self):
        return [(host, event) for _, host, event in self.hosts()]

    def forget(self):
        self.posts, self.evidence = [], []


class Monitor:
    """masakari-hostmonitor, with a configuration and a folder of its own."""

    def __init__(self, program, folder, sink, options, environment=None):
        os.makedirs(folder, exist_ok=True)
        self.config, self.log = f'{folder}/monitors.conf', f'{folder}/monitor.log'
        with open(self.config, 'w') as file:
            file.write(f'[DEFAULT]\nhostname = watcher\nstate_path = {folder}/state\ndebug = true\n'
                       f'[api]\nauth_type = none\nendpoint = {sink.endpoint}\n{options}')
        self.command = [program, 'hostmonitor', '--config-file', self.config]
        self.environment = dict(os.environ, **(environment or {}))
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=open(self.log, 'a'), stderr=subprocess.STDOUT,
                                        env=self.environment)
        return self

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)

    def said(self):
        return open(self.log).read()

    def runs(self):
        return self.process.poll() is None


def wait_for(what, seconds, then, every=0.05):
    """Until `then()` is true. What is waited for is named when it is not."""
    end = time.time() + seconds
    while time.time() < end:
        got = then()
        if got:
            return got
        time.sleep(every)
    raise AssertionError(f'{what}: not within {seconds} s')


class Suite:
    """Cases that run one after the other. Each prints a line; a failed one ends none of the others."""

    def __init__(self):
        self.passed = self.failed = 0

    def case(self, name, run):
        began = time.time()
        try:
            told = run() or ''
            self.passed += 1
            print(f'{name} ... ok ({time.time() - began:.0f} s) {told}', flush=True)
        except Exception as error:  # noqa: BLE001: whatever it is, the case has failed
            self.failed += 1
            print(f'{name} ... FAILED ({time.time() - began:.0f} s): {type(error).__name__}: {error}', flush=True)

    def took(self, what, delays):
        """How long the reports took, from what is said."""
        if delays:
            print(f'from {what} to the report: at most {max(delays) * 1000:.0f} ms of {len(delays)}')
            ordered = sorted(delays)
            tell(what, {'reports': len(delays), 'median_ms': ordered[len(delays) // 2] * 1000, 'most_ms': ordered[-1] * 1000}, not self.failed)

    def end(self):
        print(f'{self.passed} passed, {self.failed} failed', flush=True)
        sys.exit(1 if self.failed or not self.passed else 0)
