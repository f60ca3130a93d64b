#!/usr/bin/env python3
"""What Python's instancemonitor posts for the recorded events: made once, and checked in as python.jsonl.

    python_posts.py MASAKARI_MONITORS FIXTURES... > python.jsonl

MASAKARI_MONITORS is a checkout of openstack/masakari-monitors. Its own event filter and its own table are run, with
libvirt's own numbers (python3-libvirt); what they hand to the callback is written, one line an event.
"""
import json
import pathlib
import sys
import threading
import types

sys.path.insert(0, sys.argv[1])


def stub(name, **what):
    module = types.ModuleType(name)
    module.__dict__.update(what)
    sys.modules[name] = module
    return module


class Quiet:
    def __getattr__(self, _):
        return lambda *a, **k: None


class Conf:
    hostname = 'cmp1'


posts = []


class Callback:
    def libvirt_event_callback(self, event_id, details, domain_uuid, notice_type, hostname, current_time):
        posts.append({'event': event_id, 'instance_uuid': domain_uuid, 'vir_domain_event': details})


class Now:
    """A thread that runs at once: the order of posts is that of events."""
    def __init__(self, target, args):
        self.run = lambda: target(*args)

    def start(self):
        self.run()


stub('oslo_log', log=types.SimpleNamespace(getLogger=lambda _: Quiet()))
stub('oslo_utils', excutils=None, timeutils=types.SimpleNamespace(utcnow=lambda: 0))
package = 'masakarimonitors'
for name in ('', '.instancemonitor', '.instancemonitor.libvirt_handler', '.objects'):
    path = pathlib.Path(sys.argv[1], package, *name.split('.')[1:])
    stub(package + name, __path__=[str(path)])
sys.modules[package].conf = stub(package + '.conf', CONF=Conf)
sys.modules[package + '.instancemonitor.libvirt_handler'].callback = stub(
    package + '.instancemonitor.libvirt_handler.callback', Callback=Callback)
threading.Thread = Now

from masakarimonitors.instancemonitor.libvirt_handler import eventfilter  # noqa: E402

DUMMY = -1
# As the callbacks of masakarimonitors/instancemonitor/instance.py hand each event over.
KIND_AND_DETAIL = {
    'LIFECYCLE': lambda a: (a[0], a[1]),
    'REBOOT': lambda a: (DUMMY, DUMMY),
    'RTC_CHANGE': lambda a: (DUMMY, DUMMY),
    'WATCHDOG': lambda a: (a[0], DUMMY),
    'IO_ERROR': lambda a: (a[2], DUMMY),
    'GRAPHICS': lambda a: (DUMMY, a[0]),
    'DISK_CHANGE': lambda a: (DUMMY, DUMMY),
    'IO_ERROR_REASON': lambda a: (DUMMY, DUMMY),
    'CONTROL_ERROR': lambda a: (DUMMY, DUMMY),
}
event_filter = eventfilter.EventFilter()
for fixture in sorted(sys.argv[2:]):
    name = pathlib.Path(fixture).stem
    for number, line in enumerate(open(fixture), 1):
        seen = json.loads(line)
        hand_over = KIND_AND_DETAIL.get(seen.get('event'))
        if hand_over is None:
            continue
        del posts[:]
        kind, detail = hand_over(seen['args'])
        event_filter.vir_event_filter(seen['id'], kind, detail, seen['uuid'])
        for post in posts:
            print(json.dumps({'fixture': name, 'line': number, 'payload': post}, sort_keys=True))
