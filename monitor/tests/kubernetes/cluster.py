"""A real Kubernetes control plane on loopback: etcd, kube-apiserver and the node lifecycle controller. Its nodes are objects, and
leases that are renewed here as kubelets do: every RENEW seconds, and a kubelet whose node is held for silent says that it is ready."""
import http.client
import json
import os
import queue
import ssl
import subprocess
import threading
import time

API, ETCD = 16443, 23790
# The controller holds a node for silent after so long.
GRACE, RENEW = 12, 3.0
LABEL = {'openstack-compute-node': 'enabled'}
# By which a person says that a node is switched off.
OUT_OF_SERVICE = [{'key': 'node.kubernetes.io/out-of-service', 'value': 'nodeshutdown', 'effect': 'NoExecute'}]


def now(fraction=True):
    text = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())
    return f'{text}.{int(time.time() % 1 * 1e6):06}Z' if fraction else f'{text}Z'


class Cluster:
    def __init__(self, binaries, folder):
        self.binaries, self.folder = binaries, folder
        self.processes, self.alive, self.connections = {}, set(), threading.local()
        self.seen, self.seen_lock = {}, threading.Lock()
        self.due = queue.Queue()
        self.is_up, self.ended = threading.Event(), threading.Event()
        os.makedirs(folder, exist_ok=True)

    # The programs.

    def certificates(self):
        """An authority, the server's certificate and the administrator's."""
        def openssl(*words):
            subprocess.run(['openssl', *words], cwd=self.folder, check=True, capture_output=True)
        openssl('genrsa', '-out', 'sa.key', '2048')
        openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '30',
                '-subj', '/CN=authority')
        for name, subject, more in [('server', '/CN=kube-apiserver', 'subjectAltName=IP:127.0.0.1\n'),
                                    ('admin', '/O=system:masters/CN=admin', ''),
                                    ('stranger', '/CN=stranger', '')]:
            with open(f'{self.folder}/{name}.ext', 'w') as file:
                file.write(f'basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n{more}')
            openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{name}.key', '-out', f'{name}.csr', '-subj', subject)
            openssl('x509', '-req', '-in', f'{name}.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial',
                    '-out', f'{name}.crt', '-days', '30', '-extfile', f'{name}.ext')

    def kubeconfig(self, path, user):
        with open(path, 'w') as file:
            file.write(f'''apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "https://127.0.0.1:{API}", certificate-authority: {self.folder}/ca.crt}}}}]
users: [{{name: u, user: {user}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: x
''')

    def run(self, name, *command):
        with open(f'{self.folder}/{name}.log', 'a') as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def end(self, name):
        process = self.processes.pop(name, None)
        if process:
            process.kill()
            process.wait(30)

    def start(self):
        self.certificates()
        self.kubeconfig(f'{self.folder}/controller.kubeconfig',
                        f'{{client-certificate: {self.folder}/admin.crt, client-key: {self.folder}/admin.key}}')
        self.run('etcd', 'etcd', '--data-dir', f'{self.folder}/etcd', '--listen-client-urls', f'http://127.0.0.1:{ETCD}',
                 '--advertise-client-urls', f'http://127.0.0.1:{ETCD}', '--listen-peer-urls', f'http://127.0.0.1:{ETCD + 10}',
                 '--unsafe-no-fsync')
        self.start_api()
        # The name of a controller that it does not know makes it exit.
        self.run('controller', f'{self.binaries}/kube-controller-manager', f'--kubeconfig={self.folder}/controller.kubeconfig',
                 '--controllers=node-lifecycle-controller', '--leader-elect=false', '--secure-port=0',
                 f'--node-monitor-grace-period={GRACE}s', '--node-monitor-period=1s')
        threading.Thread(target=self.watch, daemon=True).start()
        threading.Thread(target=self.renewals, daemon=True).start()
        for _ in range(4):
            threading.Thread(target=self.kubelets, daemon=True).start()

    def start_api(self):
        self.run('kube-apiserver', f'{self.binaries}/kube-apiserver', f'--etcd-servers=http://127.0.0.1:{ETCD}',
                 '--bind-address=127.0.0.1', f'--secure-port={API}', '--advertise-address=127.0.0.1',
                 f'--tls-cert-file={self.folder}/server.crt', f'--tls-private-key-file={self.folder}/server.key',
                 f'--client-ca-file={self.folder}/ca.crt', '--service-account-issuer=https://localhost',
                 f'--service-account-key-file={self.folder}/sa.key', f'--service-account-signing-key-file={self.folder}/sa.key',
                 '--authorization-mode=RBAC', '--service-cluster-ip-range=10.96.0.0/16', f'--cert-dir={self.folder}/made')
        end = time.time() + 120
        while time.time() < end:
            if self.processes['kube-apiserver'].poll() is not None:
                raise RuntimeError('kube-apiserver ended: ' + open(f'{self.folder}/kube-apiserver.log').read()[-2000:])
            try:
                if self.ask('GET', '/readyz', raw=True) == b'ok':
                    self.is_up.set()
                    return
            except OSError:
                pass
            time.sleep(0.3)
        raise RuntimeError('kube-apiserver is not ready within 120 s')

    def stop_api(self):
        self.is_up.clear()
        self.end('kube-apiserver')

    def stop(self):
        self.ended.set()
        self.alive.clear()
        for name in ['controller', 'kube-apiserver', 'etcd']:
            self.end(name)

    # Its API.

    def connect(self, timeout=20):
        tls = ssl.create_default_context(cafile=f'{self.folder}/ca.crt')
        tls.load_cert_chain(f'{self.folder}/admin.crt', f'{self.folder}/admin.key')
        return http.client.HTTPSConnection('127.0.0.1', API, context=tls, timeout=timeout)

    def ask(self, method, path, body=None, kind='application/json', raw=False, may=()):
        """One question, on the connection of this thread."""
        data = body if isinstance(body, (bytes, str, type(None))) else json.dumps(body)
        for last in (False, True):
            if getattr(self.connections, 'one', None) is None:
                self.connections.one = self.connect()
            try:
                self.connections.one.request(method, path, data, {'Content-Type': kind, 'Accept': 'application/json'})
                answer = self.connections.one.getresponse()
                text = answer.read()
                break
            except (OSError, http.client.HTTPException):
                self.connections.one.close()
                self.connections.one = None
                if last:
                    raise OSError('the API server does not answer') from None
        if raw:
            return text
        if answer.status >= 300 and answer.status not in may:
            raise OSError(f'{method} {path}: {answer.status} {text[:300]}')
        return json.loads(text)

    def merge(self, path, body):
        return self.ask('PATCH', path, body, 'application/merge-patch+json')

    def apply(self, manifest):
        """The one that operators apply, and the namespace that it is for."""
        self.ask('POST', '/api/v1/namespaces', {'kind': 'Namespace', 'apiVersion': 'v1', 'metadata': {'name': 'openstack'}})
        rbac = '/apis/rbac.authorization.k8s.io/v1'
        paths = {'kind: ServiceAccount\n': '/api/v1/namespaces/openstack/serviceaccounts',
                 'kind: ClusterRole\n': f'{rbac}/clusterroles', 'kind: ClusterRoleBinding\n': f'{rbac}/clusterrolebindings'}
        with open(manifest) as file:
            parts = file.read().split('\n---\n')
        assert len(parts) == len(paths)
        for part in parts:
            [path] = [path for kind, path in paths.items() if f'\n{kind}' in f'\n{part}']
            self.ask('POST', path, part, 'application/yaml')

    def token(self):
        """Of the service account that is in it."""
        path = '/api/v1/namespaces/openstack/serviceaccounts/masakari-hostmonitor/token'
        return self.ask('POST', path, {'kind': 'TokenRequest', 'apiVersion': 'authentication.k8s.io/v1', 'spec': {}})['status']['token']

    # Nodes.

    def add(self, *names, labels=LABEL):
        for name in names:
            self.ask('POST', '/api/v1/nodes', {'kind': 'Node', 'apiVersion': 'v1', 'metadata': {'name': name, 'labels': labels}})
            lease = {'kind': 'Lease', 'apiVersion': 'coordination.k8s.io/v1', 'metadata': {'name': name},
                     'spec': {'holderIdentity': name, 'leaseDurationSeconds': 40, 'renewTime': now()}}
            self.ask('POST', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases', lease, may=(409,))
            self.revive(name)

    def condition(self, name, status, reason='KubeletReady'):
        """As a kubelet writes it."""
        ready = {'type': 'Ready', 'status': status, 'reason': reason, 'message': 'as told',
                 'lastHeartbeatTime': now(False), 'lastTransitionTime': now(False)}
        self.ask('PATCH', f'/api/v1/nodes/{name}/status', {'status': {'conditions': [ready]}},
                 'application/strategic-merge-patch+json')

    def revive(self, name):
        self.renew(name)
        self.condition(name, 'True')
        self.alive.add(name)

    def kill(self, *names):
        self.alive.difference_update(names)

    def taint(self, name, taints):
        kept = [t for t in self.ask('GET', f'/api/v1/nodes/{name}')['spec'].get('taints', [])
                if not t['key'].endswith('/out-of-service')]
        self.merge(f'/api/v1/nodes/{name}', {'spec': {'taints': kept + taints}})

    def renew(self, name):
        self.merge(f'/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}', {'spec': {'renewTime': now()}})

    def renewals(self):
        while not self.ended.wait(RENEW):
            for name in list(self.alive):
                self.due.put(name)
            while not self.due.empty() and not self.ended.wait(0.05):
                pass

    def kubelets(self):
        while not self.ended.is_set():
            name = self.due.get()
            if name not in self.alive or not self.is_up.is_set():
                continue
            try:
                self.renew(name)
                if self.ready(name) == 'Unknown':
                    self.condition(name, 'True')
            except OSError:
                pass

    # What the API server says of them, seen by a watch of ours.

    def watch(self):
        while not self.ended.is_set():
            try:
                connection = self.connect(timeout=None)
                connection.request('GET', '/api/v1/nodes?watch=true&timeoutSeconds=3000')
                answer = connection.getresponse()
                for line in iter(answer.readline, b''):
                    self.saw(json.loads(line))
            except (OSError, ValueError, http.client.HTTPException):
                pass
            time.sleep(0.05)

    def saw(self, event):
        node, at = event['object'], time.time()
        conditions = {c['type']: c['status'] for c in node.get('status', {}).get('conditions', [])}
        status = 'Deleted' if event['type'] == 'DELETED' else conditions.get('Ready', '')
        name = node.get('metadata', {}).get('name', '')
        with self.seen_lock:
            before = self.seen.get(name)
            if before is None or before[0] != status:
                self.seen[name] = (status, at)

    def ready(self, name):
        with self.seen_lock:
            return self.seen.get(name, ('', 0))[0]

    def since(self, name):
        with self.seen_lock:
            return self.seen[name][1]
