"""A monitor of ours as an operator runs it: the program, its configuration file, and Keystone, at which it logs in as any service does."""
import os
import signal
import subprocess

import cloud
from scene import until

PROGRAM = os.path.join(cloud.CLOUD_DIR, "run", "bin", "masakari")


def configuration(folder, hostname, sections):
    """The file of the monitor of this host, with these sections besides."""
    path = os.path.join(folder, "masakarimonitors.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([
            "[DEFAULT]", "hostname = " + hostname, "state_path = " + os.path.join(folder, "state"),
            "[api]", "auth_type = password", "auth_url = " + cloud.base("KEYSTONE", "/v3"),
            "username = masakari", "password = " + cloud.CFG["CLOUD_PASSWORD"], "project_name = service",
            "user_domain_name = Default", "project_domain_name = Default",
            "region = " + cloud.CFG["CLOUD_REGION"], sections, ""]))
    os.chmod(path, 0o600)
    return path


def start(case, what, folder, config, within=()):
    """`masakari WHAT` until the end of the case; what it says, as a function. `within`: the command that runs it elsewhere."""
    path = os.path.join(folder, "monitor.log")
    log = open(path, "w", encoding="utf-8")
    case.addCleanup(log.close)
    running = subprocess.Popen([*within, PROGRAM, what, "--config-file", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    case.addCleanup(running.wait)
    case.addCleanup(running.send_signal, signal.SIGTERM)

    def said():
        with open(path, encoding="utf-8") as so_far:
            return so_far.read()
    return said


def is_well(config, within=()):
    """Whether its source answers."""
    asked = subprocess.run([*within, PROGRAM, "monitors", "--config-file", config], capture_output=True, timeout=30)
    return asked.returncode == 0


def await_well(config, within=(), seconds=60):
    until("the monitor's source answers", lambda: is_well(config, within), seconds)
