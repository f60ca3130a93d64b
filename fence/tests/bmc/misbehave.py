"""How a BMC misbehaves: a proxy with TLS before the Redfish emulator, a relay before ipmi_sim, and what an IPMI
inventory looks like. What answers in the end is the real simulator; here answers are held up, lost or falsified.
"""
import http.client
import http.server
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

SLOW_S = 2.0


def switch_off(directory, order="off"):
    """Takes the power from the host of `directory`."""
    with open(os.path.join(directory, "orders"), "a") as orders:
        orders.write(order + "\n")
    try:
        os.remove(os.path.join(directory, "on"))
    except FileNotFoundError:
        return
    with open(os.path.join(directory, "host.pid")) as pids:
        for pid in pids.read().split():
            os.kill(int(pid), signal.SIGKILL)


def lie(bmc):
    """What a BMC does beside the truth before it says that it did what it was ordered to."""
    hook = os.path.join(bmc.directory, "lie")
    if os.path.exists(hook):
        subprocess.run(["sh", hook], check=True)
    bmc.says = {**bmc.says, "PowerState": "Off"}


def tls(top):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(top, "bmc.pem"), os.path.join(top, "bmc.key"))
    return context


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.relay()

    def do_POST(self):
        self.relay()

    def relay(self):
        bmc = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with bmc.lock:
            bmc.asked += 1
            lost = bmc.mode == "flapping" and bmc.asked % 3 == 0
        if lost:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if bmc.mode == "slow":
            time.sleep(SLOW_S)
        status, kind, answer = self.ask_the_service(body)
        if self.command == "POST" and status < 300:
            if json.loads(body)["ResetType"] != "ForceOff":
                with open(os.path.join(bmc.directory, "orders"), "a") as orders:
                    orders.write(body.decode() + "\n")
            elif bmc.mode == "lying":
                with open(os.path.join(bmc.directory, "orders"), "a") as orders:
                    orders.write("off\n")
                threading.Thread(target=lie, args=(bmc,), daemon=True).start()
            else:
                switch_off(bmc.directory, "off by the spare one" if bmc.mode == "healthy" else "off")
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def ask_the_service(self, body):
        bmc = self.server
        to = http.client.HTTPConnection("127.0.0.1", bmc.service, timeout=20)
        passed = {name: value for name, value in self.headers.items()
                  if name.lower() in ("authorization", "content-type", "accept", "odata-version")}
        path = self.path
        to.request(self.command, path, body or None, passed)
        answer = to.getresponse()
        data = answer.read()
        if self.command == "GET" and answer.status == 200:
            data = json.dumps({**json.loads(data), **bmc.says}).encode()
        return answer.status, answer.getheader("Content-Type"), data


class Bmc(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def proxy(service, context, directory, mode, says=None):
    """Starts one BMC before the service, which says of the system what is in `says`; returns its port."""
    bmc = Bmc(("127.0.0.1", 0), Proxy)
    bmc.service, bmc.directory, bmc.mode = service, directory, mode
    bmc.says = says or {}
    bmc.asked, bmc.lock = 0, threading.Lock()
    bmc.socket = context.wrap_socket(bmc.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=bmc.serve_forever, daemon=True).start()
    return bmc.server_address[1]


# As long as it loses: an order, a question that a busy machine is too slow for and another one are three, too.
FLAPS = 8


def every_third_session_is_lost(session):
    return 0 if session % 3 == 2 and session < FLAPS else None


# Of the first sessions so many answers come back. The first nine open one; then the inventory's size, its content.
ANSWERS = [11, None, 9, None, 9]


def answers_are_lost_within_sessions(session):
    return ANSWERS[session] if session < len(ANSWERS) else None


def relay(port, answers):
    """A relay before an ipmi_sim that loses what comes after so many answers of a session; returns its port."""
    front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    front.bind(("127.0.0.1", 0))
    sessions = {}

    def back(behind, client, most):
        answered = 0
        while True:
            answer = behind.recv(65536)
            answered += 1
            if most is None or answered <= most:
                front.sendto(answer, client)

    def forth():
        while True:
            packet, client = front.recvfrom(65536)
            if client not in sessions:
                behind = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                behind.connect(("127.0.0.1", port))
                most = answers(len(sessions))
                sessions[client] = behind
                threading.Thread(target=back, args=(behind, client, most), daemon=True).start()
            sessions[client].send(packet)

    threading.Thread(target=forth, daemon=True).start()
    return front.getsockname()[1]


def inventory(serial):
    """An IPMI inventory (FRU, 256 bytes): a header and the product's area, in which the serial number stands."""
    def field(text):
        raw = text.encode("ascii")
        return bytes([0xC0 | len(raw)]) + raw

    fields = field("Acme") + field("Blade") + field("B1") + field("1") + field(serial) + b"\xc1"
    area = bytes([1, 0, 25]) + fields
    padded = area + bytes(-(len(area) + 1) % 8)
    padded = bytes([1, (len(padded) + 1) // 8, 25]) + padded[3:]
    product = padded + bytes([-sum(padded) & 0xFF])
    header = bytes([1, 0, 0, 0, 1, 0, 0])
    whole = header + bytes([-sum(header) & 0xFF]) + product
    return whole + bytes(256 - len(whole))
