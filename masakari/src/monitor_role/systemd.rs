//! What systemd is told (`sd_notify(3)`): that we are ready, how we stand, and that we live, which is so only while the
//! loop of each monitor turns. One that is stuck makes systemd begin us anew.

use crate::config::environment;
use monitor::Board;
use ports::Clock;
use std::{
    ffi::OsStr,
    os::{linux::net::SocketAddrExt, unix::ffi::OsStrExt, unix::net},
    time::Duration,
};

/// How often it is looked who is stuck, where systemd wants no sign of life.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The way to the manager that began us.
#[derive(Debug)]
pub(super) struct Systemd {
    socket: net::UnixDatagram,
    /// Within what it wants a sign of life.
    watchdog: Option<Duration>,
}

impl Systemd {
    /// None: nobody wants to be told.
    pub(super) fn of_this_process() -> Option<Self> {
        Self::of(&environment(), std::process::id())
    }

    fn of(environment: &[(String, String)], pid: u32) -> Option<Self> {
        let variable = |wanted: &str| {
            environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
        };
        let path = variable("NOTIFY_SOCKET")?;
        let ours = variable("WATCHDOG_PID").is_none_or(|of| of.parse() == Ok(pid));
        let usec = variable("WATCHDOG_USEC").and_then(|usec| usec.parse().ok());
        let watchdog = usec.filter(|usec| ours && *usec > 0).map(Duration::from_micros);
        match connected(path) {
            Ok(socket) => Some(Self { socket, watchdog }),
            Err(error) => {
                tracing::warn!("systemd cannot be told anything: {path}: {error}");
                None
            }
        }
    }

    /// Says it, and waits for nothing: a manager that does not read must not hold us.
    pub(super) fn say(&self, what: &str) {
        if let Err(error) = self.socket.send(what.as_bytes()) {
            tracing::debug!(%error, "systemd is not told {what}");
        }
    }
}

fn connected(path: &str) -> std::io::Result<net::UnixDatagram> {
    let address = match path.strip_prefix('@') {
        Some(name) => net::SocketAddr::from_abstract_name(name)?,
        None => net::SocketAddr::from_pathname(OsStr::from_bytes(path.as_bytes()))?,
    };
    let socket = net::UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Tells for ever, and says in the log when a loop is stuck, and when it turns again.
pub(super) async fn tell(systemd: Option<&Systemd>, board: &Board, clock: &dyn Clock) {
    let watchdog = systemd.and_then(|systemd| systemd.watchdog);
    // As sd_watchdog_enabled(3) has it: half of the time.
    let every = watchdog.map_or(LOOK_EVERY, |limit| limit / 2);
    let (mut said, mut before) = (String::new(), Vec::new());
    if let Some(systemd) = systemd {
        systemd.say("READY=1");
    }
    loop {
        let stuck = board.stuck();
        if stuck != before {
            log(&stuck, watchdog);
        }
        if let Some(systemd) = systemd {
            if stuck.is_empty() && watchdog.is_some() {
                systemd.say("WATCHDOG=1");
            }
            let status = status(board);
            if status != said {
                systemd.say(&format!("STATUS={status}"));
                said = status;
            }
        }
        before = stuck;
        clock.sleep(every).await;
    }
}

fn log(stuck: &[&str], watchdog: Option<Duration>) {
    let then = match watchdog {
        Some(_) => "systemd is not told any more that this process lives, and will begin it anew",
        None => "restart this process",
    };
    match stuck {
        [] => tracing::info!("all loops turn again"),
        names => tracing::error!("the loop of {} is stuck: {then}", names.join(", ")),
    }
}

/// One line for `systemctl status`.
fn status(board: &Board) -> String {
    let shown = board.shown("", "", 0);
    let monitors = shown.monitors.iter().map(|one| format!("{} {}", one.name, one.state.as_str()));
    let mut parts: Vec<String> = monitors.collect();
    parts.push(match (shown.sending.failing_s, shown.sending.waiting) {
        (None, 0) => "nothing waits".to_owned(),
        (None, waiting) => format!("{waiting} reports wait"),
        (Some(_), waiting) => format!("the API is away, {waiting} reports wait"),
    });
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn set(values: &[(&str, &str)]) -> Vec<(String, String)> {
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn said(manager: &net::UnixDatagram) -> Vec<String> {
        manager.set_nonblocking(true).unwrap();
        let mut bytes = [0; 1000];
        let one = || manager.recv(&mut bytes).map(|n| String::from_utf8_lossy(&bytes[..n]).into());
        std::iter::repeat_with(one).map_while(Result::ok).collect()
    }

    /// A loop that does not turn any more is not told to live; one whose monitor rests is nobody's fault.
    #[tokio::test(start_paused = true)]
    async fn systemd_hears_that_we_live_while_each_loop_turns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = net::UnixDatagram::bind(&path).unwrap();
        let path = path.to_str().unwrap();
        let environment = set(&[("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "20000000")]);
        let systemd = Systemd::of(&environment, 1).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(sim::SimClock::new());
        let board = Board::new(Arc::clone(&clock));
        let mark = board.mark("instances", None, Duration::from_secs(60));
        mark.well();
        let other = board.mark("processes", None, Duration::from_secs(60));
        other.rests("no list");
        let story = async {
            clock.sleep(Duration::from_secs(1)).await;
            let first = ["READY=1", "WATCHDOG=1"];
            let status = "STATUS=instances well, processes down, nothing waits";
            assert_eq!(said(&manager), [&first[..], &[status]].concat());
            clock.sleep(Duration::from_secs(50)).await;
            assert_eq!(said(&manager), ["WATCHDOG=1"; 5]);
            clock.sleep(Duration::from_secs(60)).await;
            let stuck = "STATUS=instances stuck, processes down, nothing waits";
            assert_eq!(said(&manager), ["WATCHDOG=1", stuck]);
            mark.turned();
            clock.sleep(Duration::from_secs(10)).await;
            let well = "STATUS=instances well, processes down, nothing waits";
            assert_eq!(said(&manager), ["WATCHDOG=1", well]);
        };
        tokio::select! {
            () = tell(Some(&systemd), &board, &*clock) => {}
            () = story => {}
        }
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_ours_and_without_systemd_nobody_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _manager = net::UnixDatagram::bind(&path).unwrap();
        let path = path.to_str().unwrap();
        let of = |values: &[(&str, &str)], pid| Systemd::of(&set(values), pid);
        let both = [("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "5"), ("WATCHDOG_PID", "7")];
        assert_eq!(of(&both, 7).unwrap().watchdog, Some(Duration::from_micros(5)));
        assert_eq!(of(&both, 8).unwrap().watchdog, None);
        assert!(of(&[("WATCHDOG_USEC", "5")], 7).is_none());
        assert!(of(&[("NOTIFY_SOCKET", "/nowhere/at/all")], 7).is_none());
    }
}
