#!/usr/bin/env python3
"""Records what Python Masakari answers, and compares ours with it over HTTP.

  recorder.py record FILE            runs steps.py against Python Masakari, writes the recording
  recorder.py replay FILE DIFFERS    runs the recording against target/*/masakari, prints what differs

Run by `record` and `replay`, which know the cloud. An API of its own is started for every setting, on a port and
a database of its own (without an engine and without a bus: what an engine would do is written into the tables), so
this disturbs nobody else who uses the cloud.
"""
import http.client
import json
import os
import signal
import subprocess
import sys
import time

import requests

import cloud
import golden

E = os.environ
DIR = os.path.join(E["STATE"], "recorder")
PORT = int(E.get("RECORDER_PORT", "15878"))
ADDRESS = "127.0.0.1"
DISABLE_FILE = os.path.join(DIR, "healthcheck_disable")
TABLES = ("vmoves", "notifications", "hosts", "failover_segments")
COMMON = """[DEFAULT]
os_privileged_user_name = masakari
os_privileged_user_password = {password}
os_privileged_user_tenant = service
os_privileged_user_auth_url = {keystone}
os_user_domain_name = Default
os_project_domain_name = Default
os_region_name = {region}
nova_catalog_admin_info = compute:nova:publicURL
state_path = {dir}
masakari_api_listen = 127.0.0.1
masakari_api_listen_port = {port}
notification_delay_max = 0
transport_url = fake://
[wsgi]
api_paste_config = {dir}/api-paste.ini
[oslo_policy]
policy_file = {dir}/policy.yaml
[database]
connection = mysql+pymysql://openstack:{password}@127.0.0.1:{mysql}/{database}?charset=utf8
[taskflow]
connection = mysql+pymysql://openstack:{password}@127.0.0.1:{mysql}/{database}?charset=utf8
[oslo_concurrency]
lock_path = {dir}
[keystone_authtoken]
www_authenticate_uri = http://127.0.0.1:{keystone_port}
auth_url = {keystone}
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = masakari
password = {password}
service_token_roles_required = true
interface = internal
region_name = {region}
"""


class Api:
    """A Masakari API of our own; `python` or ours."""

    def __init__(self, python):
        self.python = python
        self.database = "masakari_rec" if python else "masakari_rec_rs"
        self.process = None
        os.makedirs(DIR, exist_ok=True)
        sql(None, "DROP DATABASE IF EXISTS {0}; CREATE DATABASE {0} CHARACTER SET utf8;"
            "GRANT ALL ON {0}.* TO 'openstack'@'%'; GRANT ALL ON {0}.* TO 'openstack'@'localhost';"
            .format(self.database))
        self.configure({})
        manage = [E["BIN"] + "/masakari-manage"] if python else [E["OURS"], "manage"]
        with open(os.path.join(DIR, "manage.log"), "w") as log:
            subprocess.run(manage + ["--config-file", self.conf, "db", "sync"], check=True,
                           stdout=log, stderr=log)

    def configure(self, setting):
        conf = COMMON.format(password=E["CLOUD_PASSWORD"], keystone=E["KEYSTONE_URL"],
                             region=E["CLOUD_REGION"], dir=DIR, port=PORT, mysql=E["PORT_MYSQL"],
                             database=self.database, keystone_port=E["PORT_KEYSTONE"])
        self.conf = os.path.join(DIR, "masakari.conf")
        here = lambda text: text.replace("{dir}", DIR).replace("{port}", str(PORT))  # noqa: E731
        own = here(setting.get("conf", ""))
        with open(self.conf, "w") as f:
            f.write(conf + own)
        with open(os.path.join(DIR, "policy.yaml"), "w") as f:
            f.write(setting.get("policy", ""))
        with open(E["BIN"] + "/../etc/masakari/api-paste.ini") as f:
            paste = f.read()
        # The middleware reads the default files otherwise, whatever --config-file says.
        paste = paste.replace("oslo_config_project = masakari",
                              "oslo_config_project = masakari\noslo_config_file = " + self.conf)
        paste = paste.replace("/etc/masakari/healthcheck_disable", DISABLE_FILE)
        if setting.get("paste"):
            # Its last section is the health check's.
            paste = paste[:paste.index("backends = disable_by_file")] + here(setting["paste"])
        with open(os.path.join(DIR, "api-paste.ini"), "w") as f:
            f.write(paste)

    def begin(self, setting):
        self.stop()
        self.configure(setting)
        if os.path.exists(DISABLE_FILE):
            os.remove(DISABLE_FILE)
        for table in TABLES:
            sql(self.database, "DELETE FROM %s; ALTER TABLE %s AUTO_INCREMENT = 1;" % (table, table))
        if not self.python:
            ours = sql(self.database, "SHOW TABLES LIKE 'ha\\_%'").split()
            for table in (t for t in ours if t != "ha_schema"):
                sql(self.database, "DELETE FROM %s;" % table)
        if self.python:
            command = [E["BIN"] + "/uwsgi", "--http-socket", "%s:%d" % (ADDRESS, PORT), "--module",
                       "masakari.wsgi.api", "--callable", "application", "--master", "--die-on-term",
                       "--processes", "2", "--threads", "1", "--enable-threads", "--lazy-apps",
                       "--thunder-lock", "--buffer-size", "65535", "--post-buffering", "65536",
                       "--add-header", "Connection: close", "--disable-logging", "--need-app",
                       "--worker-reload-mercy", "5", "--virtualenv",
                       E["CLOUD_VENV"], "--pyargv", "--config-file=" + self.conf]
        else:
            command = [E["OURS"], "api", "--config-file", self.conf]
        log = open(os.path.join(DIR, "api.log"), "a")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                        start_new_session=True,
                                        env=dict(os.environ, OS_MASAKARI_CONFIG_DIR=DIR))
        for _ in range(300):
            try:
                requests.get("http://%s:%d/" % (ADDRESS, PORT), timeout=60)
                return
            except requests.ConnectionError:
                if self.process.poll() is not None:
                    sys.exit("the API ended, see %s/api.log" % DIR)
                time.sleep(0.1)
        sys.exit("the API does not answer, see %s/api.log" % DIR)

    def stop(self):
        if self.process:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(20)
            self.process = None

    def play(self, play, runner):
        """What an engine would have done."""
        now = "UTC_TIMESTAMP()"
        lines = []
        for name, status in play.get("statuses", {}).items():
            lines.append("UPDATE notifications SET status = '%s', updated_at = %s WHERE "
                         "notification_uuid = '%s';" % (status, now, runner.vars[name]))
            if not self.python and status in ("finished", "failed", "ignored"):
                lines.append("UPDATE ha_recoveries SET closed_ms = created_ms WHERE notification = '%s';"
                             % runner.vars[name])
        for row in play.get("moves", ()):
            row = dict(row, notification_uuid=runner.vars[play["of"]])
            lines.append("INSERT INTO vmoves (created_at, deleted, %s) VALUES (%s, 0, %s);" % (
                ", ".join(row), now,
                ", ".join("NULL" if v is None else "'%s'" % v for v in row.values())))
        sql(self.database, "\n".join(lines))


def sql(database, text):
    command = ["mariadb", "--no-defaults", "-S", E["RUN"] + "/mariadb.sock", "-u", "root", "-N",
               "--default-character-set=utf8mb4"]
    done = subprocess.run(command + ([database] if database else []), input=text.encode(),
                          check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()


def people():
    """A token by each name that steps use, and what they need to know of projects."""
    admin = cloud.Client()
    call = lambda method, path, body=None: admin.call(  # noqa: E731
        method, E["KEYSTONE_URL"] + path, body).json()
    users = call("GET", "/users?name=recorder_reader")["users"]
    if not users:
        users = [call("POST", "/users", {"user": {
            "name": "recorder_reader", "password": E["CLOUD_PASSWORD"], "domain_id": "default"}})["user"]]
    role = call("GET", "/roles?name=reader")["roles"][0]["id"]
    member = cloud.Client("demo", "demo")
    admin.call("PUT", "%s/projects/%s/users/%s/roles/%s" % (
        E["KEYSTONE_URL"], member.project_id, users[0]["id"], role))
    reader = cloud.Client("recorder_reader", "demo")
    other = cloud.Client("admin_alt_demo", "alt_demo")
    tokens = {"admin": admin.token, "member": member.token, "reader": reader.token,
              "other": other.token}
    projects = {"project": admin.project_id, "member_project": member.project_id,
                "other_project": other.project_id}
    return tokens, projects


def take(api, runner, step):
    """Takes one step; a request's comes back with its answer."""
    if "setting" in step:
        runner.begin()
        api.begin(runner.fill(step))
    elif "play" in step:
        api.play(step["play"], runner)
    elif "file" in step:
        if step["file"]:
            open(DISABLE_FILE, "w").close()
        elif os.path.exists(DISABLE_FILE):
            os.remove(DISABLE_FILE)
    elif "pause" in step:
        time.sleep(step["pause"])
    else:
        got = runner.run(step)
        text = json.dumps(got.get("response"))
        if DIR in text:
            got["response"] = json.loads(text.replace(DIR, "<dir>"))
        return got
    return step


def record(path):
    import steps
    tokens, projects = people()
    runner = golden.Runner(ADDRESS, PORT, tokens, projects)
    api = Api(python=True)
    names = set()
    try:
        with open(path + ".new", "w") as f:
            for step in steps.all_steps():
                name = step.get("name") or step.get("setting")
                if name:
                    assert name not in names, name
                    names.add(name)
                try:
                    taken = take(api, runner, step)
                except http.client.RemoteDisconnected:
                    # uwsgi dislikes what it never showed to Masakari: nothing to compare with.
                    print("left out, no answer: %s" % name)
                    continue
                f.write(json.dumps(taken, ensure_ascii=False) + "\n")
                f.flush()
    finally:
        api.stop()
    os.replace(path + ".new", path)
    print("%d steps" % len(names))
    return 0


def replay(path, differs):
    with open(differs) as f:
        listed = dict(line.strip().split(": ", 1) for line in f
                      if line.strip() and not line.startswith("#"))
    # This is MariaDB.
    listed = {name: why for name, why in listed.items() if not why.startswith("(MySQL)")}
    tokens, projects = people()
    runner = golden.Runner(ADDRESS, PORT, tokens, projects)
    api = Api(python=False)
    same, wrong, settings, bad = 0, 0, 0, set()
    try:
        with open(path) as f:
            recorded = [json.loads(line) for line in f]
        for want in recorded:
            if "setting" in want:
                settings, setting = settings + 1, want["setting"]
            got = take(api, runner, want)
            lines = []
            for key in ("status", "statuses", "ordered", "response_headers", "response"):
                lines += golden.differences(want.get(key), got.get(key), key)
            name = want.get("name")
            if lines and name not in listed:
                wrong += 1
                bad.add(setting)
                print("%s: %s %s\n    %s" % (name, want.get("method"), want.get("path"),
                                             "\n    ".join(lines)))
            elif not lines and name in listed:
                wrong += 1
                bad.add(setting)
                print("%s: equal now, take it off the list" % name)
            elif name and not lines:
                same += 1
    finally:
        api.stop()
    if same < 1400:
        bad.add("only %d steps were compared" % same)
    print("%d steps of %d settings: %d as recorded, %d not as they should be" % (
        len(recorded) - settings, settings, same, wrong))
    print("%d passed, %d failed" % (settings - len(bad), len(bad)))
    return 1 if bad else 0


if __name__ == "__main__":
    verbs = {"record": record, "replay": replay}
    if len(sys.argv) < 3 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    sys.exit(verbs[sys.argv[1]](*sys.argv[2:]))
