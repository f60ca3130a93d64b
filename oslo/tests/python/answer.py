"""Answers what oslo.config and oslo.policy make of a case: one JSON object a line in, one a line out."""

import json
import logging
import os
import sys
import tempfile
import warnings

from oslo_config import cfg
from oslo_config import types
from oslo_policy import policy

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
sys.setrecursionlimit(400)  # rules and references in a circle end sooner
ROOT = tempfile.mkdtemp(prefix="oslo-cases-")
TABLE = []


def dict_of_lists():
    return types.Dict(value_type=types.List(bounds=True, item_type=types.String(quotes=True)))


def option(spec):
    """An option as the Rust table describes it."""
    kind, words = spec["kind"], {}
    words["deprecated_opts"] = [cfg.DeprecatedOpt(n, group=g) for g, n in spec["deprecated"]]
    if spec["default"] is not None:
        words["default"] = spec["default"]
    if kind in ("int", "float", "port"):
        words.update({k: spec[k] for k in ("min", "max") if spec[k] is not None})
        if "default" in words:
            words["default"] = (float if kind == "float" else int)(words["default"])
    if kind == "bool" and "default" in words:
        words["default"] = {"true": True, "false": False}[words["default"]]
    if kind == "list" and "default" in words:
        words["default"] = words["default"].split(",")
    if kind == "multi" and "default" in words:
        words["default"] = words["default"].split("\n")
    if kind == "str" and spec["choices"]:
        words["type"] = types.String(choices=spec["choices"], ignore_case=spec["ignore_case"])
    if kind == "dict of lists":
        words["type"] = dict_of_lists()
    made = {
        "str": cfg.Opt if "type" in words else cfg.StrOpt, "secret": cfg.StrOpt, "bool": cfg.BoolOpt,
        "int": cfg.IntOpt, "float": cfg.FloatOpt, "port": cfg.PortOpt, "list": cfg.ListOpt,
        "multi": cfg.MultiStrOpt, "dict": cfg.DictOpt, "dict of lists": cfg.Opt,
        "host address": cfg.HostAddressOpt, "uri": cfg.URIOpt,
    }[kind]
    return spec["group"], made(spec["name"], **words)


def configuration(args, **words):
    conf = cfg.ConfigOpts()
    for spec in TABLE:
        group, opt = option(spec)
        conf.register_opt(opt, group=None if group == "DEFAULT" else group)
    conf(args, project="masakari", **words)
    return conf


def values(conf):
    found = {}
    for spec in TABLE:
        name = spec["name"].replace("-", "_")
        try:
            part = conf if spec["group"] == "DEFAULT" else conf[spec["group"]]
            value = part[name]
            found[f"{spec['group']}.{name}"] = {"is": repr(value) if isinstance(value, float) else value}
        except Exception as error:
            found[f"{spec['group']}.{name}"] = {"refused": f"{type(error).__name__}: {error}"[:300]}
    return found


def with_environment(variables, work):
    os.environ.update(variables)
    try:
        return work()
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"[:300]}
    finally:
        for name in variables:
            del os.environ[name]


def config(case):
    args = []
    for number, text in enumerate(case["files"]):
        path = os.path.join(ROOT, f"{number}.conf")
        with open(path, "w", newline="") as file:
            file.write(text)
        args += ["--config-file", path]
    quiet = {"default_config_files": [], "default_config_dirs": []}
    return with_environment(
        case["environment"], lambda: {"values": values(configuration(args, **quiet))})


def search(case):
    """What is found below a root that stands for /."""
    real, root = cfg._get_config_dirs, case["root"]
    cfg._get_config_dirs = lambda project=None: [
        root + path if path.startswith("/etc") else path for path in real(project)]
    try:
        return with_environment(case["environment"], lambda: {
            "values": values(configuration(case["arguments"], prog=case["program"]))})
    finally:
        cfg._get_config_dirs = real


def rules(case):
    """May each of the credentials do each of the actions?"""
    for name, text in case["files"].items():
        path = os.path.join(case["root"], name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
    main = os.path.join(case["root"], "masakari.conf")
    with open(main, "w") as file:
        file.write("[oslo_policy]\n" + case["options"])
    conf = cfg.ConfigOpts()
    conf(["--config-file", main], project="masakari", default_config_dirs=[])
    enforcer = policy.Enforcer(conf)
    enforcer.suppress_deprecation_warnings = True
    for rule in case["defaults"]:
        old = rule["old"] and policy.DeprecatedRule(
            rule["old"][0], rule["old"][1], deprecated_reason="r", deprecated_since="s")
        enforcer.register_default(policy.RuleDefault(
            rule["name"], rule["check"], scope_types=rule["scopes"] or None, deprecated_rule=old))
    enforcer.load_rules()
    answers = []
    for question in case["questions"]:
        try:
            answers.append(bool(enforcer.enforce(
                question["rule"], dict(case["target"]), dict(question["creds"]))))
        except Exception as error:
            answers.append(f"{type(error).__name__}: {error}"[:200])
    return {"answers": answers}


def answer(case):
    kind = case["ask"]
    if kind == "table":
        TABLE[:] = case["table"]
        return {}
    try:
        return {"config": config, "search": search, "rules": rules}[kind](case)
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"[:300]}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
