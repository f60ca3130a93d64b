#!/usr/bin/env python3
"""Power switch for namespace nodes: powerd.py CLUSTER SOCKET.

One request a connection: "on|off|status NODE" or "ping"; answers ok/on/off/error.
It runs outside every node, like a BMC: the fence agent (and ipmi_sim's chassis
script) reach it through a unix socket path, which crosses network namespaces.
"""
import os
import signal
import socketserver
import subprocess
import sys

cluster, path = sys.argv[1], sys.argv[2]
signal.signal(signal.SIGCHLD, signal.SIG_DFL)


class H(socketserver.StreamRequestHandler):
    def handle(self):
        w = self.rfile.readline().decode().split()
        if w == ['ping']:
            r = 'ok'
        elif len(w) == 2 and w[0] in ('on', 'off'):
            r = 'ok' if subprocess.call([cluster, w[0], w[1]], stdin=subprocess.DEVNULL) == 0 else 'error'
        elif len(w) == 2 and w[0] == 'status':
            r = subprocess.run([cluster, 'power', w[1]], capture_output=True, text=True).stdout.strip()
        else:
            r = 'error'
        print(w, r, flush=True)
        self.wfile.write((r + '\n').encode())


if os.path.exists(path):
    os.unlink(path)
with socketserver.ThreadingUnixStreamServer(path, H) as s:
    os.chmod(path, 0o777)
    s.serve_forever()
