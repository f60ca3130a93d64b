"""A Masakari that takes every report and all evidence and remembers them, as the monitors of the rigs need one, ours and Python's."""
import http.server
import json
import os
import threading
import time
import uuid

# How soon something came is judged where nothing else disturbs what is measured, as the long runs are (TIMES=judged). Beside other work it is
# told, and judged is that it came.
JUDGED = os.environ.get('TIMES') == 'judged'
CAME_S = 60


def at_most(seconds):
    """How soon it has to come."""
    return seconds if JUDGED else max(seconds, CAME_S)


def tell(what, figures, well):
    """A line that a long run keeps with its result."""
    told = {name: round(value, 2) if isinstance(value, float) else value for name, value in figures.items()}
    print('RUN ' + json.dumps({'measured': what, **told, 'outcome': 'finished' if well else 'FAILED'}), flush=True)


class Masakari:
    """Listens at `port` of `address`.

    `posts`: when each report came, and what it says. `evidence`: when, of which host, by which route (`evidence`, or
    `confirm-dead`, which is a person's word), and what it says.
    """

    def __init__(self, address='127.0.0.1', port=0):
        self.posts, self.evidence = [], []
        self.server = http.server.ThreadingHTTPServer((address, port), _Handler)
        self.server.daemon_threads = True
        self.server.masakari = self
        self.port = self.server.server_address[1]
        self.endpoint = f'http://{address}:{self.port}/v1'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def hosts(self, since=0.0):
        """What was reported of hosts since then: when, of which, and `STOPPED` or `STARTED`."""
        return [(at, body['hostname'], body['payload']['event']) for at, body in list(self.posts) if at >= since]

    def proofs(self, since=0.0):
        """What was proven of hosts since then: when, of which, and the kind of evidence."""
        return [(at, host, body.get('kind', 'operator_confirmed')) for at, host, _, body in list(self.evidence) if at >= since]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def answer(self, code, body):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        base = 'http://%s:%d' % self.server.server_address
        # openstacksdk looks for versions, our agent for planned stops.
        v1 = {'id': 'v1.0', 'links': [{'href': base + '/v1/', 'rel': 'self'}], 'status': 'CURRENT',
              'version': '1.3', 'min_version': '1.0', 'updated': '2016-07-01T11:33:21Z'}
        if self.path in ('', '/'):
            return self.answer(300, {'versions': [v1]})
        if self.path.startswith('/ha/'):
            return self.answer(200, {'stops': []})
        return self.answer(200, {'version': v1})

    def do_POST(self):
        at = time.time()
        body = json.loads(self.rfile.read(int(self.headers.get('Content-Length', 0))) or b'{}')
        if self.path.startswith('/ha/v1/hosts/'):
            host, route = self.path.split('/')[4:6]
            self.server.masakari.evidence.append((at, host, route, body))
            return self.answer(202, {'request': {'id': str(uuid.uuid4()), 'kind': route, 'state': 'done', 'answer': 'taken'}})
        report = body['notification']
        self.server.masakari.posts.append((at, report))
        self.answer(202, {'notification': {**report, 'id': 1, 'notification_uuid': str(uuid.uuid4()), 'status': 'new',
                          'source_host_uuid': str(uuid.uuid4()), 'updated_at': None,
                          'created_at': '2026-01-01T00:00:00.000000'}})
