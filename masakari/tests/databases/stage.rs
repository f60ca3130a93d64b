//! Fresh databases, processes of the program, and requests to them.

use sea_orm::{ConnectionTrait, Database};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_masakari");

pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// One database by its SQLAlchemy URLs: one, or one for each node.
pub(crate) struct Fresh {
    pub(crate) urls: Vec<String>,
    /// Its files, which go with the test.
    pub(crate) directory: tempfile::TempDir,
}

fn fresh_name() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("masakari_{}_{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

async fn made(servers: &[&str], driver: &str, at: &str, options: &str) -> Fresh {
    let name = fresh_name();
    let root = Database::connect(format!("{}{at}", servers[0])).await.expect("a server that runs");
    root.execute_unprepared(&format!("CREATE DATABASE {name}{options}")).await.unwrap();
    root.close().await.unwrap();
    let urls = servers.iter().map(|server| {
        let (_, address) = server.split_once("://").unwrap();
        format!("{driver}://{address}/{name}")
    });
    Fresh { urls: urls.collect(), directory: tempfile::tempdir().unwrap() }
}

/// Beside the state path, where it is made without being asked for.
pub(crate) fn sqlite() -> Fresh {
    Fresh { urls: vec![String::new()], directory: tempfile::tempdir().unwrap() }
}

pub(crate) async fn mariadb() -> Option<Fresh> {
    let server = variable("STORE_MYSQL_URL")?;
    Some(made(&[&server], "mysql+pymysql", "", " CHARACTER SET utf8mb3").await)
}

pub(crate) async fn postgresql() -> Option<Fresh> {
    let server = variable("STORE_POSTGRESQL_URL")?;
    Some(made(&[&server], "postgresql+psycopg2", "/postgres", "").await)
}

pub(crate) async fn galera() -> Option<Fresh> {
    let nodes = variable("STORE_GALERA_URLS")?;
    let nodes: Vec<&str> = nodes.split_whitespace().collect();
    Some(made(&nodes, "mysql+pymysql", "", " CHARACTER SET utf8mb3").await)
}

impl Fresh {
    /// A configuration that names the database by its `n`th URL, as Python and we read it.
    pub(crate) fn configuration(&self, n: usize, port: u16) -> PathBuf {
        let state = self.directory.path();
        let connection = match self.urls[n].as_str() {
            "" => String::new(),
            url => format!("connection = {url}"),
        };
        let text = format!(
            "[DEFAULT]\nstate_path = {}\nauth_strategy = noauth2\nmasakari_api_listen = 127.0.0.1\n\
             masakari_api_listen_port = {port}\nduplicate_notification_detection_interval = 180\n\
             os_privileged_user_auth_url = http://127.0.0.1:9/v3\n[database]\n{connection}\n\
             [taskflow]\n{connection}\n",
            state.display(),
        );
        let file = state.join(format!("masakari-{n}-{port}.conf"));
        std::fs::write(&file, text).unwrap();
        file
    }
}

/// Runs the program to its end; what it said.
pub(crate) fn run(program: impl AsRef<Path>, arguments: &[&str]) -> String {
    let output = Command::new(program.as_ref()).args(arguments).output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{} {arguments:?}: {said}", program.as_ref().display());
    said
}

/// `masakari manage --config-file FILE arguments…`
pub(crate) fn manage(configuration: &Path, arguments: &[&str]) -> String {
    let mut all = vec!["manage", "--config-file", configuration.to_str().unwrap()];
    all.extend(arguments);
    run(PROGRAM, &all)
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An API process, ended with the test.
pub(crate) struct Api {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Api {
    /// Starts one on the `n`th URL and waits until it answers.
    pub(crate) fn start(on: &Fresh, n: usize) -> Self {
        let port = free_port();
        let configuration = on.configuration(n, port);
        let log = std::fs::File::create(configuration.with_extension("log")).unwrap();
        let child = Command::new(PROGRAM)
            .args(["api", "--config-file", configuration.to_str().unwrap()])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let api = Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(api.address).is_err() {
            assert!(Instant::now() < until, "the API listens");
            std::thread::sleep(Duration::from_millis(20));
        }
        api
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Status and body of the answer to one request.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut open = TcpStream::connect(address).unwrap();
    send(&mut open, method, path, body)
}

pub(crate) fn send(open: &mut TcpStream, method: &str, path: &str, body: &str) -> (u16, String) {
    open.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: admin:admin\r\n\
         OpenStack-API-Version: instance-ha 1.3\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len(),
    );
    open.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or_else(|| panic!("no HTTP: {answer}")), body.to_owned())
}
