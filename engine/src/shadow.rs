//! An engine that judges and plans, and does nothing: beside another service, on a database of its own.
//!
//! It is a type of its own, and not a setting of an engine. What it is given cannot change a cloud: the way to Nova lets
//! questions pass only, no program is run, nobody else is reached, and what it makes of a configuration has no steps and
//! no way back. It runs no loop that would try: neither that of a recovery, nor that of the left locks, nor that of
//! the lost hosts. What it looks at, and how it judges, is an engine's.

use crate::{Config, Engine, Fencing, Ports, Wake, steps::Steps};
use fence::{Tools, build::Network};
use openstack::NovaToRead;
use ports::{Clock, Entropy, HttpClientError, Nothing, Transport};
use std::{path::PathBuf, sync::Arc};
use store::Store;

/// What a shadow needs of the world.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Its own.
    pub store: Arc<dyn Store>,
    pub nova: NovaToRead,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// See the module.
#[derive(Debug)]
pub struct Shadow(Engine);

impl Shadow {
    /// A new one; see [`Engine::new`].
    #[must_use]
    pub fn new(sight: Sight, config: Config, wake: Wake) -> Self {
        let Sight { store, nova, clock, entropy } = sight;
        let fencing = config.fencing.map(|fencing| out_of_reach(fencing, clock.clone()));
        let config = Config { fencing, returns: None, steps: Steps::default(), ..config };
        let nothing = Arc::new(Nothing);
        let ports = Ports {
            store,
            nova: nova.into_nova(),
            clock,
            entropy,
            probe: nothing.clone(),
            exec: nothing.clone(),
            web: nothing,
        };
        Self(Engine::new(ports, config, wake))
    }

    /// Judges what is reported until `shutdown`.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let Self(engine) = self;
        let nothing = std::future::pending();
        engine
            .serve(shutdown, |claimed, stopping| engine.judge_claimed(claimed, stopping), nothing)
            .await;
    }
}

/// Which ladder a host has is known; none of its devices is reached.
fn out_of_reach(fencing: Fencing, clock: Arc<dyn Clock>) -> Fencing {
    let secrets = fencing.tools.secrets;
    let (exec, ears) = (Arc::new(Nothing), Arc::new(Nothing));
    let tools = Tools { clock, exec, network: Arc::new(Nowhere), ears, secrets };
    Fencing { tools, check_every: None, ..fencing }
}

#[derive(Debug)]
struct Nowhere;

impl Network for Nowhere {
    fn http(&self, _: Option<PathBuf>, _: bool) -> Result<Arc<dyn Transport>, HttpClientError> {
        Ok(Arc::new(Nothing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fence::{FencingFile, secret::Secrets};
    use futures::FutureExt;
    use ports::{Ask, Program, SystemClock, SystemExec};
    use std::{collections::BTreeMap, path::Path, time::Duration};

    #[derive(Debug)]
    struct Wire;

    impl Network for Wire {
        fn http(&self, _: Option<PathBuf>, _: bool) -> Result<Arc<dyn Transport>, HttpClientError> {
            panic!("a shadow has no way to a device")
        }
    }

    #[test]
    fn what_fences_hosts_reaches_none() {
        let text = "devices:\n  bmc: {kind: manual, say: \"switch {host} off\"}\n";
        let given = Fencing {
            file: Arc::new(FencingFile::parse(Path::new("fencing.yaml"), text).unwrap()),
            tools: Tools {
                clock: Arc::new(SystemClock),
                exec: Arc::new(SystemExec),
                network: Arc::new(Wire),
                ears: Arc::new(ports::NetworkEars),
                secrets: Arc::new(Secrets { environment: BTreeMap::new(), credentials: None }),
            },
            report_interval: Duration::from_secs(10),
            check_every: Some(Duration::from_secs(60)),
        };
        let tools = out_of_reach(given, Arc::new(SystemClock)).tools;
        let soon = Duration::from_secs(5);
        let program = Program { path: "true".into(), ..Program::default() };
        assert!(tools.exec.run(program, soon).now_or_never().unwrap().is_err());
        let anywhere = "127.0.0.1:0".parse().unwrap();
        assert!(tools.ears.at(anywhere).now_or_never().unwrap().is_err());
        let way = tools.network.http(None, false).unwrap();
        assert!(way.send(Ask::default(), soon).now_or_never().unwrap().is_err());
    }
}
