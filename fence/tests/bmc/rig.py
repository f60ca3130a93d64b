"""Hosts, and a BMC for each that behaves or misbehaves in one way; then a command beside them.

For every cell of the table (kind x case) there is a directory with a host (a process that writes its heartbeat),
a BMC whose power switch really kills that process, and a healthy spare BMC of the same host. The command finds all
of it in the JSON file $BMC_RIG. Whatever does not start ends this with an error.
"""
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

import bcrypt

import misbehave

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = ["off", "already-off", "dead", "slow", "wrong-password", "lying", "flapping", "wrong-machine",
         "on", "cycle"]
KINDS = ["redfish", "ipmi", "agent"]
# The host has no power at first.
WITHOUT_POWER = ["already-off", "on"]
# The ways in which a host itself is reached, or not.
SSH_CASES = ["off", "dead", "wrong-key", "wrong-host"]
USER, PASSWORD = "admin", "Sw0rdfish.4711"
READY_WITHIN_S = 30


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def uuid_of(name):
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def serial_of(name):
    return "SN-" + name.replace("/", "-").upper()


class Rig:
    def __init__(self, top):
        self.top, self.children, self.hosts = top, [], []

    def start(self, log, *command):
        with open(os.path.join(self.top, log), "wb") as out:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.children.append(child)
        return child

    def host(self, directory, alive=True):
        """A host with its power switch in `directory`."""
        os.makedirs(directory)
        open(os.path.join(directory, "orders"), "w").close()
        beat = os.path.join(directory, "beat")
        host = self.start(os.path.join(directory, "host.log"), "/usr/bin/python3", "-IS",
                          os.path.join(HERE, "host.py"), beat)
        with open(os.path.join(directory, "host.pid"), "w") as pid:
            pid.write(str(host.pid))
        open(os.path.join(directory, "on"), "w").close()
        with open(os.path.join(directory, "mode"), "w") as mode:
            mode.write("healthy")
        wait_for(lambda: os.path.exists(beat), "the host in " + directory)
        if not alive:
            misbehave.switch_off(directory)
            open(os.path.join(directory, "orders"), "w").close()
        self.hosts.append(host)

    def certificates(self):
        """An authority of our own and a certificate of 127.0.0.1 by it."""
        make = lambda *words: subprocess.run(("openssl",) + words, cwd=self.top, check=True,
                                             capture_output=True)
        make("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=rig",
             "-keyout", "ca.key", "-out", "ca.pem")
        make("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", "bmc.key",
             "-out", "bmc.csr")
        with open(os.path.join(self.top, "san"), "w") as san:
            san.write("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        make("x509", "-req", "-days", "2", "-in", "bmc.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
             "-CAcreateserial", "-extfile", "san", "-out", "bmc.pem")

    def redfish_service(self, systems):
        """One sushy-emulator with all the systems; the BMCs are proxies before it."""
        port = free_port(socket.SOCK_STREAM)
        entry = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        with open(os.path.join(self.top, "htpasswd"), "w") as passwords:
            passwords.write(USER + ":" + entry + "\n")
        fakes = [{"uuid": uuid_of(name), "name": name, "power_state": power, "nics": []}
                 for name, power in systems.items()]
        with open(os.path.join(self.top, "sushy.py"), "w") as conf:
            conf.write(f"SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'\nSUSHY_EMULATOR_LISTEN_PORT = {port}\n"
                       f"SUSHY_EMULATOR_AUTH_FILE = '{self.top}/htpasswd'\n"
                       f"SUSHY_EMULATOR_STATE_DIR = '{self.top}'\nSUSHY_EMULATOR_FAKE_DRIVER = True\n"
                       f"SUSHY_EMULATOR_FAKE_SYSTEMS = {fakes!r}\n")
        emulator = os.path.join(os.path.dirname(sys.executable), "sushy-emulator")
        child = self.start("sushy.log", sys.executable, emulator, "--config", self.top + "/sushy.py")
        wait_for(lambda: answers(port, child), "the Redfish emulator")
        return port

    def ipmi(self, directory, name, mode):
        """One ipmi_sim; returns the UDP port at which it is reached."""
        port = free_port(socket.SOCK_DGRAM)
        with open(os.path.join(directory, "mode"), "w") as file:
            file.write(mode)
        with open(os.path.join(directory, "fru"), "wb") as file:
            file.write(misbehave.inventory(serial_of(name)))
        conf = os.path.join(directory, "lan.conf")
        with open(conf, "w") as file:
            file.write(f'''name "bmc"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "{HERE}/chassis {directory} 0x20"
  user 1 false "" "" user 10 none md2 md5 straight
  user 2 true "{USER}" "{PASSWORD}" admin 10 none md2 md5 straight
''')
        with open(os.path.join(directory, "emu"), "w") as file:
            file.write("mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\n"
                       "sel_enable 0x20 1000 0x0a\n"
                       f'mc_add_fru_data 0x20 0 256 file 0 "{directory}/fru"\nmc_enable 0x20\n')
        os.makedirs(os.path.join(directory, "state"), exist_ok=True)
        child = self.start(os.path.join(directory, "sim.log"), "ipmi_sim", "-c", conf, "-f",
                           os.path.join(directory, "emu"), "-s", os.path.join(directory, "state"), "-n")
        wait_for(lambda: lets_in(port, child), "ipmi_sim of " + name)
        loses = {"flapping": misbehave.every_third_session_is_lost,
                 "lossy": misbehave.answers_are_lost_within_sessions}
        return misbehave.relay(port, loses[mode]) if mode in loses else port

    def cell(self, kind, case, service, behaves=None):
        """A host and its BMC, which behaves in the way of another case if it is told to."""
        name = f"{kind}/{case}"
        directory = os.path.join(self.top, kind, case)
        self.host(directory, alive=case not in WITHOUT_POWER)
        cell = {"beat": directory + "/beat", "orders": directory + "/orders", "on": directory + "/on",
                "uuid": uuid_of(name), "serial": serial_of(name), "spare_uuid": uuid_of(name + "/spare")}
        context = misbehave.tls(self.top)
        # Another system for the emulator, the same machine for whoever asks.
        same = {"UUID": uuid_of(name), "SerialNumber": serial_of(name)}
        cell["spare"] = misbehave.proxy(service, context, directory, "healthy", same)
        controlled, machine = directory, name
        if case == "wrong-machine":
            controlled, machine = directory + "-neighbour", name + "/neighbour"
            self.host(controlled)
            cell["neighbour"] = controlled + "/on"
        cell["system"] = "/redfish/v1/Systems/" + uuid_of(machine)
        behaves = behaves or case
        if behaves == "dead":
            cell["port"] = free_port(socket.SOCK_DGRAM if kind == "ipmi" else socket.SOCK_STREAM)
        elif kind == "ipmi":
            cell["port"] = self.ipmi(controlled, machine, behaves)
        else:
            cell["port"] = misbehave.proxy(service, context, controlled, behaves)
        return cell

    def ssh(self, case, service):
        """A host with an sshd, and a spare BMC; the sshd of `wrong-host` has another key than the known one."""
        directory = os.path.join(self.top, "ssh", case)
        self.host(directory)
        in_it = lambda name: os.path.join(directory, name)
        for key in ("host_key", "other_host_key", "key", "other_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", in_it(key)], check=True)
        port = free_port(socket.SOCK_STREAM)
        known = "other_host_key" if case == "wrong-host" else "host_key"
        with open(in_it(known + ".pub")) as key, open(in_it("known_hosts"), "w") as file:
            file.write(f"[127.0.0.1]:{port} " + key.read())
        shutil.copy(in_it("key.pub"), in_it("authorized_keys"))
        if case != "dead":
            os.makedirs("/run/sshd", exist_ok=True)
            child = self.start(in_it("sshd.log"), "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-p", str(port),
                               "-h", in_it("host_key"), "-o", "ListenAddress=127.0.0.1",
                               "-o", "PasswordAuthentication=no", "-o", "StrictModes=no",
                               "-o", "PidFile=none", "-o", "AuthorizedKeysFile=" + in_it("authorized_keys"))
            wait_for(lambda: answers(port, child), "sshd")
        name = "ssh/" + case
        same = {"UUID": uuid_of(name), "SerialNumber": serial_of(name)}
        return {"beat": in_it("beat"), "orders": in_it("orders"), "on": in_it("on"), "port": port,
                "uuid": uuid_of(name), "serial": serial_of(name), "spare_uuid": uuid_of(name + "/spare"),
                "spare": misbehave.proxy(service, misbehave.tls(self.top), directory, "healthy", same),
                "login": pwd.getpwuid(os.getuid()).pw_name,
                "key": in_it("other_key" if case == "wrong-key" else "key"), "known_hosts": in_it("known_hosts"),
                "command": f"{HERE}/chassis {directory} 0x20 set power 0"}

    def stop(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
        for child in self.children:
            child.wait()


def answers(port, child):
    if child.poll() is not None:
        sys.exit("a server ended by itself; see its log")
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def lets_in(port, child):
    if child.poll() is not None:
        sys.exit("ipmi_sim ended by itself; see its log")
    command = ["ipmitool", "-I", "lanplus", "-C", "3", "-H", "127.0.0.1", "-p", str(port), "-U", USER,
               "-f", "/dev/stdin", "-N", "1", "-R", "1", "mc", "guid"]
    return subprocess.run(command, input=PASSWORD.encode(), capture_output=True).returncode == 0


def wait_for(ready, what):
    until = time.monotonic() + READY_WITHIN_S
    while not ready():
        if time.monotonic() > until:
            sys.exit(f"{what} did not start within {READY_WITHIN_S} s")
        time.sleep(0.05)


def names_of(kind, case):
    name = f"{kind}/{case}"
    yield name + "/spare", "On"
    if kind != "ipmi":
        yield name, "Off" if case in WITHOUT_POWER else "On"
        if case == "wrong-machine":
            yield name + "/neighbour", "On"


def main(command):
    top = tempfile.mkdtemp(prefix="bmc-")
    rig = Rig(top)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        rig.certificates()
        systems = dict(pair for kind in KINDS for case in CASES for pair in names_of(kind, case))
        systems.update({f"ssh/{case}/spare": "On" for case in SSH_CASES})
        systems["ipmi/lossy/spare"] = "On"
        service = rig.redfish_service(systems)
        cells = {f"{kind}/{case}": rig.cell(kind, case, service) for kind in KINDS for case in CASES}
        cells["ipmi/lossy"] = rig.cell("ipmi", "lossy", service)
        cells.update({f"ssh/{case}": rig.ssh(case, service) for case in SSH_CASES})
        described = {"cells": cells, "ca_file": top + "/ca.pem", "user": USER, "password": PASSWORD}
        with open(os.path.join(top, "rig.json"), "w") as file:
            json.dump(described, file)
        print(f"{len(cells)} hosts and their BMCs are up", flush=True)
        code = subprocess.run(command, env=dict(os.environ, BMC_RIG=top + "/rig.json")).returncode
    finally:
        rig.stop()
    if code == 0 and not os.environ.get("BMC_KEEP"):
        shutil.rmtree(top)
    else:
        print(f"what the simulators said is in {top}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
