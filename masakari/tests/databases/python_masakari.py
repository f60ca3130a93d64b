"""Python Masakari on one database, for the test of what it leaves and what it is left.

    python_masakari.py DIR                  answers what is asked on lines of standard input
    python_masakari.py DIR serve PORT       its API

    leave REVISION   make the schema as it was at REVISION (an Alembic one, or 7 or 8 of
                     sqlalchemy-migrate), fill it; all rows
    rows             all rows
    progress UUID    what its API shows as recovery_workflow_details
    sync             its `db sync`; the revision
    purge DAYS       its `db purge` of what is older; all rows

DIR holds masakari.conf and api-paste.ini. An answer is a line: ANSWER and JSON.
"""
import datetime
import json
import sys

CONF_DIR, *SERVE = sys.argv[1:]
sys.argv = ["masakari", "--config-dir", CONF_DIR]

import masakari.conf  # noqa: E402

CONF = masakari.conf.CONF
CONF(sys.argv[1:], project="masakari", default_config_files=[CONF_DIR + "/masakari.conf"])

import sqlalchemy as sa  # noqa: E402
from masakari import context  # noqa: E402
from masakari.db import api as db_api  # noqa: E402
from masakari.db.sqlalchemy import migration  # noqa: E402
from masakari import objects  # noqa: E402

objects.register_all()
INITIAL, WITH_VMOVES = "8f848eb45d03", "8bdf5929c5a6"
NOW = datetime.datetime.utcnow().replace(microsecond=0)
TABLES = ["failover_segments", "hosts", "notifications", "vmoves", "logbooks", "flowdetails",
          "atomdetails"]


def uuid(n):
    return "00000000-0000-4000-8000-%012d" % n


def rows():
    engine = db_api.get_engine()
    found = {}
    for name in TABLES:
        if not sa.inspect(engine).has_table(name):
            continue
        table = sa.Table(name, sa.MetaData(), autoload_with=engine)
        with engine.connect() as connection:
            all_rows = connection.execute(sa.select(table)).mappings().all()
        found[name] = sorted(({k: None if v is None else str(v) for k, v in row.items()}
                              for row in all_rows), key=lambda row: row["uuid" if "uuid" in row
                                                                        else "notification_uuid"])
    return found


def as_migrate_left_it(version):
    """sqlalchemy-migrate kept a table of its own; its 7 and 8 are Alembic's first two."""
    with db_api.get_engine().begin() as connection:
        connection.execute(sa.text("DROP TABLE masakari_alembic_version"))
        connection.execute(sa.text(
            "CREATE TABLE migrate_version (repository_id VARCHAR(250) NOT NULL, "
            "repository_path TEXT, version INTEGER, PRIMARY KEY (repository_id))"))
        connection.execute(sa.text(
            "INSERT INTO migrate_version VALUES ('masakari', '/migrate_repo', %d)" % version))


def insert(table_name, /, **values):
    engine = db_api.get_engine()
    table = sa.Table(table_name, sa.MetaData(), autoload_with=engine)
    values.setdefault("created_at", NOW - datetime.timedelta(hours=2))
    values.setdefault("deleted", 0)
    with engine.begin() as connection:
        connection.execute(table.insert().values(
            **{key: value for key, value in values.items() if key in table.columns}))


def fill():
    for n, method in enumerate(["auto", "reserved_host", "auto_priority", "rh_priority"], 1):
        insert("failover_segments", uuid=uuid(n), name="seg \u00e9 %d" % n, service_type="compute",
               description="one; 'quoted'\n\"two\"", recovery_method=method, enabled=n != 2)
    insert("hosts", id=40, deleted=40, deleted_at=NOW, uuid=uuid(10), name="compute1",
           reserved=True, type="COMPUTE", control_attributes="SSH", on_maintenance=True,
           failover_segment_id=uuid(1))
    insert("hosts", uuid=uuid(11), name="compute1", reserved=False, type="COMPUTE",
           control_attributes="SSH", on_maintenance=False, failover_segment_id=uuid(1))
    insert("hosts", uuid=uuid(12), name="compute2", reserved=False, type="COMPUTE",
           control_attributes="SSH", on_maintenance=False, failover_segment_id=uuid(1))
    statuses = ["finished", "failed", "ignored", "error", "running", "new"]
    for n in range(40):
        kind = ["COMPUTE_HOST", "VM", "PROCESS"][n % 3]
        payload = {"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"}
        insert("notifications", notification_uuid=uuid(100 + n), type=kind,
               generated_time=NOW - datetime.timedelta(days=n), source_host_uuid=uuid(11),
               created_at=NOW - datetime.timedelta(days=n, seconds=400),
               updated_at=NOW - datetime.timedelta(days=n), payload=json.dumps(payload),
               status=statuses[n % 6] if n else "finished",
               failover_segment_uuid=uuid(1), message="done \u00e9" if n % 2 else None)
    if sa.inspect(db_api.get_engine()).has_table("vmoves"):
        for n in range(5):
            insert("vmoves", uuid=uuid(200 + n), notification_uuid=uuid(100),
                   instance_uuid=uuid(300 + n), instance_name="vm%d" % n, source_host="compute1",
                   dest_host="compute2" if n else None, start_time=NOW,
                   end_time=NOW if n else None, type="evacuation", status="succeeded")


def recover(notification):
    """Masakari's own tasks and taskflow write down how far a recovery is."""
    from masakari.engine.drivers.taskflow import base
    from taskflow.patterns import linear_flow

    def told(name, said):
        def execute(self):
            for progress, sentence in said:
                self.update_details(sentence, progress)
        return type(name, (base.MasakariTask,), {"execute": execute})(None, None)

    flow = linear_flow.Flow("auto")
    flow.add(
        told("DisableComputeServiceTask", [
            (0.0, "Disabling compute service on host: 'compute1'"),
            (1.0, "Disabled compute service on host: 'compute1'")]),
        told("PrepareHAEnabledInstancesTask", [(0.3, "Preparing instances"), (1.0, "Total: '2'")]),
        told("EvacuateInstancesTask", [(0.0, "Start"), (0.7, "vm1 \u00e9"), (1.0, "Evacuated")]))
    base.load_taskflow_into_engine("auto", flow, {"notification_uuid": notification}).run()


def leave(revision):
    migration.db_sync({"7": INITIAL, "8": WITH_VMOVES}.get(revision, revision))
    fill()
    recover(uuid(100))
    if revision in ("7", "8"):
        as_migrate_left_it(int(revision))


def progress(notification):
    from masakari.engine.drivers.taskflow import driver
    admin = context.get_admin_context()
    found = objects.Notification.get_by_uuid(admin, notification)
    details = driver.TaskFlowDriver().get_notification_recovery_workflow_details(
        admin, "auto", found)
    return [{"name": d.name, "state": d.state, "progress": d.progress,
             "progress_details": d.progress_details} for d in details]


def serve(port):
    import os
    from wsgiref import simple_server
    os.environ["OS_MASAKARI_CONFIG_DIR"] = CONF_DIR
    from masakari import rpc
    from masakari.api.openstack import ha  # noqa: F401
    from oslo_service import wsgi
    CONF.set_override("api_paste_config", CONF_DIR + "/api-paste.ini", "wsgi")
    rpc.init(CONF)
    app = wsgi.Loader(CONF).load_app("masakari_api")
    simple_server.make_server("127.0.0.1", port, app).serve_forever()


def answer(verb, *rest):
    if verb == "leave":
        leave(*rest)
        return rows()
    if verb == "progress":
        return progress(*rest)
    if verb == "sync":
        migration.db_sync()
        return migration.db_version()
    if verb == "purge":
        db_api.purge_deleted_rows(context.get_admin_context(), int(rest[0]), -1)
        return rows()
    assert verb == "rows", verb
    return rows()


if SERVE:
    serve(int(SERVE[1]))
for line in sys.stdin:
    print("ANSWER " + json.dumps(answer(*line.split())), flush=True)
