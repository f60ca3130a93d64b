//! `[kubernetes]`, `[consul]`: where the drivers of hosts ask.

use super::Configuration;
use monitor::hosts::{
    consul::{Matrix, Network},
    kubernetes::{KubernetesConfig, NotReady, Place, access::ACCOUNT},
};
use oslo::Secret;
use ports::OwnTls;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Consul's own.
const CONSUL_PORT: u16 = 8500;
/// Kubernetes gives these to each pod.
const KUBERNETES_HOST: &str = "KUBERNETES_SERVICE_HOST";
const KUBERNETES_PORT: &str = "KUBERNETES_SERVICE_PORT";

/// What the driver `consul` is.
#[derive(Debug)]
pub(crate) struct ConsulConfig {
    pub(crate) matrix: Matrix,
    /// `http://host:port` of each.
    pub(crate) agents: BTreeMap<Network, String>,
    pub(crate) token: Option<Secret>,
    pub(crate) tls: OwnTls,
    pub(crate) interval: Duration,
}

impl Configuration {
    /// How Kubernetes is watched; of a process with that environment.
    pub(crate) fn kubernetes(
        &self,
        environment: &[(String, String)],
    ) -> anyhow::Result<KubernetesConfig> {
        let text = |name| self.text("kubernetes", name);
        let not_ready = match text("not_ready").as_deref() {
            Some("offline") => NotReady::Offline,
            Some(_) | None => NotReady::Uncertain,
        };
        Ok(KubernetesConfig {
            place: self.kubernetes_place(environment)?,
            labels: text("monitoring_node_labels").unwrap_or_default(),
            not_ready,
            interval: self.host_s("monitoring_interval", 1),
        })
    }

    fn kubernetes_place(&self, environment: &[(String, String)]) -> anyhow::Result<Place> {
        let context = self.text("kubernetes", "context");
        if let Some(path) = self.text("kubernetes", "kubeconfig") {
            return Ok(Place::Kubeconfig { path: path.into(), context });
        }
        let of_pod = |wanted: &str| {
            let set = environment.iter().find(|(name, value)| name == wanted && !value.is_empty());
            set.map(|(_, value)| value.clone())
        };
        let (host, port) = (of_pod(KUBERNETES_HOST), of_pod(KUBERNETES_PORT));
        host.zip(port)
            .map(|(host, port)| Place::Pod { host, port, account: ACCOUNT.into() })
            .ok_or_else(|| {
                let what = format!(
                    "is not set, and this is no pod ({KUBERNETES_HOST} is not set): name the file"
                );
                self.wrong("kubernetes", "kubeconfig", what)
            })
    }

    /// How Consul is watched.
    pub(crate) fn consul(&self) -> anyhow::Result<ConsulConfig> {
        let matrix = match self.text("consul", "matrix_config_file") {
            Some(path) => Matrix::read(&PathBuf::from(path))?,
            None => Matrix::default(),
        };
        let mut agents = BTreeMap::new();
        for network in Network::ALL {
            let option = format!("agent_{}", network.as_str());
            let Some(address) = self.text("consul", &option) else { continue };
            let base = consul_base(&address).ok_or_else(|| {
                let what = format!("= {address:?} is no address: write host:port, or a URL");
                self.wrong("consul", &option, what)
            })?;
            agents.insert(network, base);
        }
        let trusted = match self.text("consul", "cafile") {
            Some(path) => {
                let read = std::fs::read(&path);
                Some(read.map_err(|error| {
                    self.wrong("consul", "cafile", format!("= {path:?}: {error}"))
                })?)
            }
            None => None,
        };
        Ok(ConsulConfig {
            matrix,
            agents,
            token: self.values.get::<Option<Secret>>("consul", "token"),
            tls: OwnTls { trusted, identity: None },
            interval: self.host_s("monitoring_interval", 1),
        })
    }
}

/// `host`, `host:port`, `[address]:port` as Python takes it, or a URL.
fn consul_base(address: &str) -> Option<String> {
    if address.contains("://") {
        let uri: http::Uri = address.trim_end_matches('/').parse().ok()?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme))?;
        return Some(format!("{scheme}://{}", uri.authority()?));
    }
    let uri: http::Uri = format!("http://{address}").parse().ok()?;
    let authority = uri.authority().filter(|_| uri.path() == "/" && uri.query().is_none())?;
    let port = authority.port_u16().unwrap_or(CONSUL_PORT);
    Some(format!("http://{}:{port}", authority.host()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use monitor::hosts::consul::matrix::Health::{Down, Up};
    use recovery::verdict::Sight;

    fn pod() -> Vec<(String, String)> {
        [(KUBERNETES_HOST, "10.96.0.1"), (KUBERNETES_PORT, "443")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }

    #[test]
    fn a_pod_needs_no_option_and_elsewhere_a_kubeconfig_is_asked_for() {
        let of = |text: &str, environment: &[(String, String)]| {
            Configuration::of_text(text).kubernetes(environment)
        };
        // As Genestack writes it.
        let text = "[host]\nmonitoring_driver = kubernetes\nmonitoring_interval = 30\nmonitoring_samples = 3\n\
            [kubernetes]\nmonitoring_node_labels = openstack-compute-node=enabled\n";
        let config = of(text, &pod()).unwrap();
        assert!(matches!(config.place, Place::Pod { ref host, .. } if host == "10.96.0.1"));
        assert_eq!(config.labels, "openstack-compute-node=enabled");
        assert_eq!(
            (config.interval, config.not_ready),
            (Duration::from_secs(30), NotReady::Uncertain)
        );
        let why = of(text, &[]).unwrap_err().to_string();
        assert!(why.contains("[kubernetes] kubeconfig is not set, and this is no pod"), "{why}");
        let config =
            of("[kubernetes]\nkubeconfig = /k\ncontext = c\nnot_ready = offline\n", &pod())
                .unwrap();
        let place = Place::Kubeconfig { path: "/k".into(), context: Some("c".into()) };
        assert_eq!((config.place, config.not_ready), (place, NotReady::Offline));
    }

    #[test]
    fn consul_is_asked_where_pythons_options_say() {
        // As Sunbeam writes it.
        let text = "[consul]\nagent_manage = 10.0.0.1:8500\nagent_tenant = host\nagent_storage = https://[fd00::1]:8501/\n";
        let config = Configuration::of_text(text).consul().unwrap();
        let bases: Vec<&str> = config.agents.values().map(String::as_str).collect();
        assert_eq!(bases, ["http://10.0.0.1:8500", "http://host:8500", "https://[fd00::1]:8501"]);
        assert_eq!(config.matrix.sight(&[Up, Up, Down]), Sight::Offline);
        for wrong in ["ftp://x", "a b", "host:8500/path", "http://"] {
            let why = Configuration::of_text(&format!("[consul]\nagent_manage = {wrong}\n"))
                .consul()
                .unwrap_err();
            assert!(why.to_string().contains("[consul] agent_manage"), "{why}");
        }
        let gone = Configuration::of_text("[consul]\nmatrix_config_file = /nowhere\n")
            .consul()
            .unwrap_err();
        assert!(gone.to_string().contains("the matrix /nowhere cannot be read"), "{gone}");
    }
}
