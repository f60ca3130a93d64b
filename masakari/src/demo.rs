//! `masakari demo`: a small cloud in memory, the real API and engine, and a host that dies.
//!
//! Everything runs in this process, and everything that can be reached is reached over real HTTP on this
//! machine, so that the real `openstack` client works against it too:
//!
//! ```text
//!  cloud    sim's Keystone and Nova on a port, and the hand that pulls a host's plug (`stage`)
//!  service  our API on its port, our engine, SQLite in a temporary folder
//!  monitor  a stand-in for a host monitor: asks Nova, reports to the API
//!  show     tells what happens: news of the stage and the monitor, the engine's log, Nova's servers
//! ```
//!
//! Nothing here is known to the product: it only puts rooms together and watches them.

mod cloud;
mod hints;
mod incident;
mod monitor;
mod screen;
mod service;
mod show;
mod stage;
mod summary;

use crate::{output, ports_of::Machine, signals};
use anyhow::Context;
use clap::{Args, builder::FalseyValueParser};
use monitor::Monitor;
use openstack::{AuthConfig, Nova, NovaConfig, Session, instance_ha::Client};
use oslo::Secret;
use ports::{HttpClient, HttpClientConfig};
use screen::Screen;
use service::Service;
use show::Show;
use stage::Stage;
use std::{fs::File, path::Path, process::ExitCode, sync::Arc};
use tokio::{net::TcpListener, sync::mpsc};
use tracing_subscriber::EnvFilter;

/// News that nobody has told yet; more than this is never on the way.
const NEWS_MAX: usize = 256;

#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Ends after the first recovery; the exit code is 0 when every VM is back
    #[arg(long)]
    once: bool,
    /// Where Masakari's API listens on this machine; 0 is any free port
    #[arg(long, default_value_t = 15868)]
    port: u16,
    /// Where the cloud (Keystone and Nova) listens on this machine; 0 is any free port
    #[arg(long, default_value_t = 15000)]
    cloud_port: u16,
    /// Plain text, as when the output is not a terminal
    #[arg(long, env = "NO_COLOR", value_parser = FalseyValueParser::new())]
    no_color: bool,
}

/// Where everything is.
#[derive(Debug)]
struct Place {
    /// `http://127.0.0.1:15000`
    cloud: String,
    api: String,
    log: String,
}

/// What listens on which socket.
struct Doors {
    cloud: TcpListener,
    api: TcpListener,
}

impl Demo {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let folder = tempfile::Builder::new().prefix("masakari-demo-").tempdir();
        let folder = folder.context("there is no place for the database of the demo")?;
        let log = folder.path().join("masakari.log");
        begin_log(&log)?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let ended = runtime.block_on(self.play(folder.path(), &log));
        if !matches!(ended, Ok(code) if code == ExitCode::SUCCESS) {
            // Whoever wants to know why finds the log and the database.
            let kept = folder.keep();
            output::say(&format!("The log and the database are kept in {}", kept.display()));
        }
        ended
    }

    async fn play(&self, folder: &Path, log: &Path) -> anyhow::Result<ExitCode> {
        let screen = Screen::new(self.no_color);
        let (doors, place) = self.open_doors(&screen, log).await?;
        let machine = Machine::new()?;
        let world = cloud::world(&machine, &place);
        let service = Service::new(&machine, &world, &place, folder).await?;
        let session = session(&machine, &place)?;
        let nova = Nova::new(session.clone(), NovaConfig::default());
        let client = Client::new(session.clone());
        let (news, heard) = mpsc::channel(NEWS_MAX);
        let (returns, returning) = mpsc::channel(NEWS_MAX);
        let stage = Stage::new(world.clone(), service.store(), news.clone(), returns);
        let monitor = Monitor::new(nova.clone(), client.clone(), &machine, news.clone());
        let show = Show::new(screen, place, stage.clone(), service.store(), heard);
        let returner = stage::Returner { nova, session, news };
        let clock = machine.clock.clone();
        tokio::select! {
            biased;
            ended = show.run(&client, &*clock, self.once) => ended,
            () = stage::obey_keys(&stage, self.once) => Ok(ExitCode::SUCCESS),
            stopped = signals::stop_asked() => {
                stopped?;
                // Whoever asked for one recovery has not seen it.
                Ok(if self.once { ExitCode::FAILURE } else { ExitCode::SUCCESS })
            }
            failed = cloud::serve(world, stage.clone(), doors.cloud) => {
                failed.context("the cloud stopped")?;
                Ok(ExitCode::FAILURE)
            }
            failed = service.run(doors.api, clock.clone()) => {
                failed.context("the API stopped")?;
                Ok(ExitCode::FAILURE)
            }
            () = monitor.watch() => Ok(ExitCode::FAILURE),
            () = returner.run(returning, &*clock) => Ok(ExitCode::FAILURE),
        }
    }

    async fn open_doors(&self, screen: &Screen, log: &Path) -> anyhow::Result<(Doors, Place)> {
        let cloud = open(screen, self.cloud_port, "the cloud").await?;
        let api = open(screen, self.port, "the API").await?;
        let place = Place {
            cloud: format!("http://{}", cloud.local_addr()?),
            api: format!("http://{}", api.local_addr()?),
            log: log.display().to_string(),
        };
        Ok((Doors { cloud, api }, place))
    }
}

/// Listens on `port` of this machine, or on any free one when it is taken.
async fn open(screen: &Screen, port: u16, who: &str) -> anyhow::Result<TcpListener> {
    let taken = match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(listener) => return Ok(listener),
        Err(taken) => taken,
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let listener = listener.with_context(|| format!("no port is free for {who}"))?;
    let instead = listener.local_addr()?.port();
    screen.line(&format!("Port {port} cannot be had ({taken}): {who} takes port {instead}."));
    Ok(listener)
}

/// The way of a client to the cloud, over real HTTP.
fn session(machine: &Machine, place: &Place) -> anyhow::Result<Session> {
    let http = HttpClient::new(&HttpClientConfig::default())?;
    let (clock, entropy) = (machine.clock.clone(), machine.entropy.clone());
    Ok(Session::new(user(place), Arc::new(http), clock, entropy))
}

/// The user by which the demo's programs log in.
fn user(place: &Place) -> AuthConfig {
    AuthConfig {
        auth_url: format!("{}/identity/v3", place.cloud),
        username: Some(sim::USER.into()),
        password: Secret::new(sim::PASSWORD.to_owned()),
        project_name: Some(sim::PROJECT.into()),
        default_domain_name: Some("Default".into()),
        ..AuthConfig::default()
    }
}

/// Logs to a file, so that the screen stays readable.
fn begin_log(path: &Path) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    // Whoever began before us (a test) has its way.
    let _ = log.with_writer(Arc::new(file)).try_init();
    Ok(())
}
