"""What stands beside a hostmonitor under test: an API that takes its reports and evidence, and the program itself.

The API answers as Masakari's does where nobody asks for a token. It keeps what it took with the moment of its arrival.
"""
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Sink:
    """Masakari's API, as far as a hostmonitor knows it."""

    def __init__(self, port=15868):
        self.reports, self.evidence, self.other = [], [], []
        self.lock = threading.Lock()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self):
                at = time.time()
                body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
                self.answer(*sink.took(at, self.path, json.loads(body or b'{}')))

            def do_GET(self):
                self.answer(404, {'error': {'code': 404, 'message': 'not here'}})

            def answer(self, status, body):
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(('127.0.0.1', port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f'http://127.0.0.1:{port}/v1'

    def took(self, at, path, body):
        with self.lock:
            if path == '/v1/notifications':
                report = body['notification']
                self.reports.append((at, report['hostname'], report['payload']['event'], report))
                taken = dict(report, id=len(self.reports), source_host_uuid='h', status='new',
                             notification_uuid=f'00000000-0000-4000-8000-{len(self.reports):012}')
                return 202, {'notification': taken}
            if path.startswith('/ha/v1/hosts/'):
                self.evidence.append((at, path.split('/')[4], path.split('/')[5], body))
                return 202, {'request': {'id': 'r1', 'kind': 'evidence', 'state': 'done', 'answer': 'taken'}}
            self.other.append(path)
            return 404, {'error': {'code': 404, 'message': 'not here'}}

    def of(self, host):
        """What was reported of a host, in order."""
        with self.lock:
            return [event for _, of, event, _ in self.reports if of == host]

    def last(self, host, event):
        """When that was reported last."""
        with self.lock:
            return [at for at, of, said, _ in self.reports if (of, said) == (host, event)][-1]

    def all(self):
        with self.lock:
            return [(host, event) for _, host, event, _ in self.reports]

    def forget(self):
        with self.lock:
            self.reports, self.evidence = [], []


class Monitor:
    """masakari-hostmonitor, with a configuration and a folder of its own."""

    def __init__(self, program, folder, sink, options, environment=None):
        os.makedirs(folder, exist_ok=True)
        self.config, self.log = f'{folder}/monitors.conf', f'{folder}/monitor.log'
        with open(self.config, 'w') as file:
            file.write(f'[DEFAULT]\nhostname = watcher\nstate_path = {folder}/state\ndebug = true\n'
                       f'[api]\nauth_type = none\nendpoint = {sink.url}\n{options}')
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

    def end(self):
        print(f'{self.passed} passed, {self.failed} failed', flush=True)
        sys.exit(1 if self.failed or not self.passed else 0)
