#!/usr/bin/env python3
"""What monitors take while nothing happens: ours in one process, and Python's four.

    NODE=FOLDER footprint.py OUR_PROGRAM SECONDS VMS

Private memory is what would be free without the process (Private_* of smaps_rollup); what several share counts in RSS for each, and in
PSS in parts; the peak is the most that was ever resident. Processor time is that of the process and of the children that it has waited for (Python's runs ps). The last line is
`N passed, N failed`.
"""
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'masakari'))
from false_api import Masakari, tell  # noqa: E402

NODE = pathlib.Path(os.environ['NODE'])
BIN = pathlib.Path(sys.executable).parent
# What Python's four do, in our one, and the host's agent, which Python has not.
WATCH = 'instances,guests,processes,hosts,agent'
PYTHONS = ['hostmonitor', 'instancemonitor', 'introspectiveinstancemonitor', 'processmonitor']
SETTLE_S = 20
PRIVATE_MIB_MOST = 15
CORE_PERCENT_MOST = 0.5


def begin(name, command, endpoint, uri):
    """A monitor, with a list of one process that runs."""
    processes = NODE / 'process_list.yaml'
    processes.write_text('-\n    process_name: libvirtd\n    start_command: /bin/true\n    pre_start_command:\n'
                         '    post_start_command:\n    restart_command: /bin/true\n    pre_restart_command:\n'
                         '    post_restart_command:\n    run_as_root: False\n')
    conf = NODE / f'{name}.conf'
    conf.write_text(f'[DEFAULT]\nhostname = cmp1\nstate_path = {NODE}/state-{name}\n[api]\nauth_type = none\n'
                    f'endpoint = {endpoint}\n[libvirt]\nconnection_uri = {uri}\n'
                    f'[process]\nprocess_list_path = {processes}\n[monitor]\nwatch = {WATCH}\n')
    log = open(NODE / f'{name}.log', 'ab')
    return subprocess.Popen([*command, '--config-file', str(conf)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def memory(pid):
    """Private, PSS, RSS and its peak in MiB."""
    kib = {}
    for line in pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()[1:]:
        name, value = line.split()[:2]
        kib[name.rstrip(':')] = int(value)
    private = sum(kib[name] for name in ('Private_Clean', 'Private_Dirty', 'Private_Hugetlb'))
    status = pathlib.Path(f'/proc/{pid}/status').read_text()
    peak = int(status.split('VmHWM:')[1].split()[0])
    return [value / 1024 for value in (private, kib['Pss'], kib['Rss'], peak)]


def processor_s(pid):
    after_name = pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    # utime, stime, cutime, cstime: fields 14 to 17, of which the first after the name is 3.
    return sum(int(ticks) for ticks in after_name[11:15]) / os.sysconf('SC_CLK_TCK')


def alive(process):
    return process.poll() is None


def main():
    program, seconds, vms = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    node = lambda *words: subprocess.run([HERE / 'node', *words], check=True, capture_output=True, text=True).stdout
    for number in range(vms):
        node('start', f'11111111-2222-3333-4444-{number:012x}', 'persistent')
    uri = node('uri').strip()
    endpoint = Masakari().endpoint
    monitors = {'masakari monitor': begin('ours', [program, 'monitor'], endpoint, uri)}
    for name in PYTHONS:
        monitors[f'python {name}'] = begin(name, [BIN / 'python', BIN / f'masakari-{name}'], endpoint, uri)
    try:
        time.sleep(SETTLE_S)
        before = {name: processor_s(one.pid) for name, one in monitors.items() if alive(one)}
        began = time.monotonic()
        time.sleep(seconds)
        passed = report(monitors, before, time.monotonic() - began)
        told = subprocess.run([program, 'monitors', '--config-file', str(NODE / 'ours.conf')], capture_output=True, text=True)
        print(told.stdout)
    finally:
        for one in monitors.values():
            one.terminate()
        for one in monitors.values():
            try:
                one.wait(10)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
    print(f'{sum(passed)} passed, {len(passed) - sum(passed)} failed')
    return 0 if all(passed) else 1


def report(monitors, before, seconds):
    print(f'{"":36} {"private":>10} {"PSS":>10} {"RSS":>10} {"peak RSS":>10} {"of a core":>10}')
    pythons = [0, 0, 0, 0, 0]
    ours = None
    for name, one in monitors.items():
        if not alive(one) or name not in before:
            print(f'{name:36} ended, with exit code {one.returncode}')
            continue
        row = [*memory(one.pid), (processor_s(one.pid) - before[name]) * 100 / seconds]
        print(line(name, row))
        if name.startswith('python'):
            pythons = [a + b for a, b in zip(pythons, row)]
        else:
            ours = row
    print(line("python's in sum", pythons))
    if ours is None:
        return [False]
    passed = [ours[0] <= PRIVATE_MIB_MOST, ours[4] < CORE_PERCENT_MOST]
    names = ('private_mib', 'pss_mib', 'rss_mib', 'peak_rss_mib', 'percent_of_a_core')
    tell('all monitors of an idle host', {**dict(zip(names, ours)),
         **{f'python_{name}': value for name, value in zip(names, pythons)}}, all(passed))
    return passed


def line(name, row):
    return f'{name:36} {row[0]:6.1f} MiB {row[1]:6.1f} MiB {row[2]:6.1f} MiB {row[3]:6.1f} MiB {row[4]:8.2f} %'


sys.exit(main())
