#!/usr/bin/env python3
"""Masakaris that take everything: sink.py OUT.jsonl PORT...; each line: when, which port, path, body."""
import http.server
import json
import sys
import threading
import time
import uuid

out = open(sys.argv[1], 'a', buffering=1)


class Handler(http.server.BaseHTTPRequestHandler):
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
        v1 = {'id': 'v1.0', 'links': [{'href': base + '/v1/', 'rel': 'self'}], 'status': 'CURRENT',
              'version': '1.3', 'min_version': '1.0', 'updated': '2016-07-01T11:33:21Z'}
        if self.path in ('', '/'):
            return self.answer(300, {'versions': [v1]})
        return self.answer(200, {'version': v1})

    def do_POST(self):
        at = time.time()
        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        out.write(json.dumps({'t': at, 'port': self.server.server_address[1], 'path': self.path, 'body': body}) + '\n')
        if self.path.startswith('/ha/'):
            return self.answer(200, {'request': {'id': str(uuid.uuid4()), 'state': 'done', 'answer': 'taken'}})
        self.answer(202, {'notification': {**body['notification'], 'id': 1, 'notification_uuid': str(uuid.uuid4()),
                          'status': 'new', 'source_host_uuid': str(uuid.uuid4()), 'updated_at': None,
                          'created_at': '2026-01-01T00:00:00.000000'}})


servers = [http.server.ThreadingHTTPServer(('10.78.0.1', int(port)), Handler) for port in sys.argv[2:]]
threads = [threading.Thread(target=server.serve_forever) for server in servers]
for thread in threads:
    thread.start()
