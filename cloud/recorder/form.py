"""What steps are written with."""
import json

NOBODY = "00000000-1111-2222-3333-444444444444"
V = "OpenStack-API-Version"
BOTH = ("asc", "desc")
# Values of every type that JSON has, for fields that want another.
WRONG = (("null", None), ("true", True), ("number", 5), ("fraction", 1.5), ("list", []), ("object", {}),
         ("empty", ""), ("blank", " "))


def setting(name, conf="", policy="", paste=""):
    return {"setting": name, "conf": conf, "policy": policy, "paste": paste}


def req(name, method, path, body=None, **more):
    step = {"name": name, "method": method, "path": path}
    if body is not None:
        step["body"] = body
    step.update(more)
    return step


def js(value):
    # As text: the order of the keys is told in messages.
    return {"text": json.dumps(value)}


def at(version):
    return {V: "instance-ha " + version}


def segment(name, **more):
    return {"segment": dict({"name": name, "recovery_method": "auto", "service_type": "compute"}, **more)}


def host(name, **more):
    return {"host": dict({"name": name, "type": "COMPUTE", "control_attributes": "SSH"}, **more)}


def report(host, time, kind="COMPUTE_HOST", **payload):
    return {"notification": {"type": kind, "hostname": host, "generated_time": time,
                             "payload": payload or {"event": "STARTED"}}}


def changed(body, key, field, value):
    return {key: dict(body[key], **{field: value})}


def without(body, key, field):
    return {key: {k: v for k, v in body[key].items() if k != field}}
