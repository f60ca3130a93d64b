"""The options of Python Masakari and of the libraries whose options it registers, one a line:
group, name, kind, default, limits, old names. masakari/src/config/options/python.tsv is its output; with the word
`monitors`, in the environment of monitor/tests/libvirt/python-monitors, that is python-monitors.tsv.
"""
import json, logging, sys
logging.disable(logging.CRITICAL)
from oslo_config import cfg, generator, types
from keystoneauth1 import loading

NAMESPACES = """keystonemiddleware.auth_token masakari.conf customized_recovery_flow_opts oslo.db
oslo.db.concurrency oslo.log oslo.messaging oslo.middleware oslo.policy oslo.service.service oslo.service.wsgi
oslo.versionedobjects oslo.concurrency oslo.reports""".split()
# How the API logs in at Keystone: these depend on auth_type.
PLUGINS = ["password", "v3password", "v3applicationcredential"]
MONITORS = sys.argv[1:] == ["monitors"]
# Both programs have these.
OF_BOTH = {"monkey_patch", "monkey_patch_modules", "tempdir"}
# Differ from machine to machine.
OF_THE_MACHINE = {"host", "hostname", "processname", "pybasedir", "bindir"}


def kind(opt):
    t = opt.type
    if opt.multi: return "multi"
    if isinstance(t, types.Port): return "port"
    if isinstance(t, types.Integer): return "int"
    if isinstance(t, types.Float): return "float"
    if isinstance(t, types.Boolean): return "bool"
    if isinstance(t, types.Dict): return "dict of lists" if isinstance(t.value_type, types.List) else "dict"
    if isinstance(t, types.List): return "list"
    if isinstance(t, types.HostAddress): return "host address"
    if isinstance(t, types.URI): return "uri"
    return "secret" if opt.secret else "str"


def default(opt):
    value = opt.default
    if opt.dest in OF_THE_MACHINE: return "(of the machine)"
    if value is None: return "-"
    if opt.multi: return "".join(f"{v}\\n" for v in value)
    if isinstance(value, bool): return str(value).lower()
    if isinstance(value, dict):
        return ",".join(k + ":[" + ",".join(v) + "]" for k, v in value.items())
    if isinstance(value, list): return ",".join(value)
    return str(value).replace("\n", "\\n")


def limits(opt):
    t, found = opt.type, []
    for name in ("min", "max"):
        v = getattr(t, name, None)
        if v is not None and not isinstance(t, types.Port): found.append(f"{name} {v:g}")
    if getattr(t, "choices", None):
        found.append("one of " + "|".join(c for c in t.choices if c is not None) + (" without case" if getattr(t, "ignore_case", False) else ""))
    return ", ".join(found) or "-"


def options():
    from masakari.common import config
    config.set_lib_defaults()
    from masakari import rpc
    rpc.set_defaults(control_exchange="masakari")
    for namespace in NAMESPACES:
        for _, listing in generator._list_opts([namespace]):
            for group, opts in listing:
                group = getattr(group, "name", group) or "DEFAULT"
                for opt in opts:
                    yield group, opt
    for plugin in PLUGINS:
        for opt in loading.get_auth_plugin_conf_options(plugin):
            yield "keystone_authtoken", opt


def options_of_monitors():
    for _, listing in generator._list_opts(["masakarimonitors.conf"]):
        for group, opts in listing:
            for opt in opts:
                if opt.dest not in OF_BOTH: yield getattr(group, "name", group), opt
    for opt in loading.get_session_conf_options() + loading.get_auth_common_conf_options(): yield "api", opt
    for plugin in PLUGINS + ["none"]:
        for opt in loading.get_auth_plugin_conf_options(plugin): yield "api", opt


seen = {}
for group, opt in options_of_monitors() if MONITORS else options():
    old = sorted({f"{d.group or group}/{(d.name or opt.dest).replace('-', '_')}" for d in opt.deprecated_opts} - {f"{group}/{opt.dest}"})
    line = "\t".join([group, opt.dest, kind(opt), default(opt), limits(opt), " ".join(old) or "-"])
    other = seen.setdefault((group, opt.dest), line)
    if other != line: print("differs:", other, line, sep="\n  ", file=sys.stderr)
for key in sorted(seen, key=lambda k: (k[0] != "DEFAULT", k)):
    print(seen[key])
