//! A simulated cloud on a port of this machine, of which many hosts fail within a minute: what
//! `cargo xtask bench scale` measures an engine against.
//!
//! ```text
//! failing_cloud PORT HOSTS FAILING VMS      HOSTS live on, FAILING beside them have VMS servers each
//! ```
//!
//! It is told what to do by lines and answers by lines: `fail` (a `down HOST` for each host that Nova
//! has found down), `check` (one line of JSON: where the servers are in truth). It ends with its input.
#![expect(clippy::print_stdout, reason = "its lines are what it is for")]

use ports::{Clock, SystemClock};
use serde_json::json;
use sim::{Condition, Endpoints, Pace, Shape, World};
use std::{collections::BTreeSet, error::Error, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
};

const SERVICE_DOWN_TIME_MS: i64 = 10_000;
/// All fail within this time.
const STORM: Duration = Duration::from_secs(50);

fn main() -> Result<(), Box<dyn Error>> {
    let numbers: Vec<usize> =
        std::env::args().skip(1).map(|a| a.parse()).collect::<Result<_, _>>()?;
    let [port, hosts, failing, vms] = numbers[..] else {
        return Err("usage: failing_cloud PORT HOSTS FAILING VMS".into());
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", u16::try_from(port)?)).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let base = format!("http://{}", listener.local_addr()?);
        let world = World::new(1, clock.clone(), shape(base, hosts, failing, vms));
        println!("ready");
        tokio::select! {
            served = sim::serve(world.clone(), listener) => Ok(served?),
            ended = obey(&world, &*clock) => ended,
        }
    })
}

/// The first hosts have the servers; those that live on are empty, as reserved hosts are, but in service.
fn shape(base: String, hosts: usize, failing: usize, vms: usize) -> Shape {
    Shape {
        hosts: hosts + failing,
        vms_per_host: vms,
        populated: Some(failing),
        vms_per_host_max: 2 * vms,
        service_down_time_ms: SERVICE_DOWN_TIME_MS,
        report_interval_ms: 2_000,
        pace: Pace { latency_ms: 1..=10, ..Pace::default() },
        endpoints: Endpoints { base, ..Endpoints::default() },
        ..Shape::default()
    }
}

async fn obey(world: &World, clock: &dyn Clock) -> Result<(), Box<dyn Error>> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match line.as_str() {
            "fail" => storm(world, clock).await,
            "check" => println!("{}", truth(world)),
            other => return Err(format!("what is '{other}'?").into()),
        }
    }
    Ok(())
}

/// Pulls the plugs in turn, and tells of each host once Nova calls it down.
async fn storm(world: &World, clock: &dyn Clock) {
    let hosts: BTreeSet<_> = world.servers().into_iter().filter_map(|server| server.host).collect();
    let hosts: Vec<_> = hosts.into_iter().collect();
    let pause = STORM / u32::try_from(hosts.len()).unwrap_or(u32::MAX).max(1);
    let mut silent = 0;
    for (number, host) in hosts.iter().enumerate() {
        world.kill_host(host);
        clock.sleep(pause).await;
        while hosts.get(silent).filter(|_| silent < number).is_some_and(|h| is_down(world, h)) {
            println!("down {}", hosts[silent]);
            silent += 1;
        }
    }
    for host in &hosts[silent..] {
        while !is_down(world, host) {
            clock.sleep(Duration::from_millis(100)).await;
        }
        println!("down {host}");
    }
}

fn is_down(world: &World, host: &recovery::HostName) -> bool {
    world.service(host).is_none_or(|service| !service.up)
}

fn truth(world: &World) -> serde_json::Value {
    let servers = world.servers();
    let on_dead = |s: &&recovery::seen::Server| {
        s.host.as_ref().is_none_or(|host| world.condition(host) != Condition::Alive)
    };
    json!({
        "servers": servers.len(),
        "left_behind": servers.iter().filter(on_dead).count(),
        "locked": world.locked().len(),
        "evacuations": world.evacuate_calls().len(),
        "broken": world.check().err().map(|broken| broken.to_string()),
    })
}
