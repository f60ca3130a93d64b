//! Databases that Python Masakari made and filled, at each of its revisions: taken over with their
//! history, given back, taken over again.
//!
//! `MASAKARI_PYTHON` names the Python that has Masakari installed, and PostgreSQL's driver.

use crate::stage::{Api, Fresh, ask, free_port, manage, mariadb, postgresql, sqlite, variable};
use oslo::database_url::DatabaseUrl;
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Lines, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// Alembic's three, and the last two of sqlalchemy-migrate.
const REVISIONS: [&str; 5] = ["8f848eb45d03", "8bdf5929c5a6", "13adff5efb9a", "7", "8"];
pub(crate) const NEWEST: &str = "13adff5efb9a";
/// A recovery of which Python kept the progress.
const RECOVERED: &str = "00000000-0000-4000-8000-000000000100";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/databases/python_masakari.py");

/// Python Masakari on a database: a process that answers.
pub(crate) struct Python {
    program: String,
    directory: PathBuf,
    process: Ended,
    asked: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Python {
    pub(crate) fn on(fresh: &Fresh) -> Option<Self> {
        let program = variable("MASAKARI_PYTHON")?;
        let directory = fresh.directory.path().join("python");
        std::fs::create_dir(&directory).unwrap();
        let connection = match fresh.urls[0].as_str() {
            "" => format!("sqlite:///{}/masakari.sqlite", fresh.directory.path().display()),
            url => url.to_owned(),
        };
        let text = format!(
            "[DEFAULT]\nstate_path = {}\nauth_strategy = noauth2\ntransport_url = fake:/\n\
             [database]\nconnection = {connection}\n[taskflow]\nconnection = {connection}\n",
            directory.display(),
        );
        std::fs::write(directory.join("masakari.conf"), text).unwrap();
        let paste = Path::new(&program).parent().unwrap().join("../etc/masakari/api-paste.ini");
        std::fs::copy(paste, directory.join("api-paste.ini")).unwrap();
        let mut process = command(&program, &directory, "answers")
            .arg(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let asked = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        Some(Self { program, directory, process: Ended(process), asked, answers })
    }

    pub(crate) fn ask(&mut self, line: &str) -> Value {
        writeln!(self.asked, "{line}").unwrap();
        let answer = self
            .answers
            .by_ref()
            .map_while(Result::ok)
            .find_map(|said| said.strip_prefix("ANSWER ").map(str::to_owned));
        let Some(answer) = answer else {
            let log = std::fs::read_to_string(self.directory.join("answers.log")).unwrap();
            panic!("Python ended ({:?}) at {line}: {log}", self.process.0.wait());
        };
        serde_json::from_str(&answer).unwrap()
    }

    /// Starts Python's API and does `work` with its address.
    fn serving(&self, work: impl FnOnce(std::net::SocketAddr)) {
        let port = free_port();
        let mut serve = command(&self.program, &self.directory, "api");
        serve.arg(&self.directory).args(["serve", &port.to_string()]).stdin(Stdio::null());
        let mut child = Ended(serve.stdout(Stdio::null()).spawn().unwrap());
        let address = ([127, 0, 0, 1], port).into();
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            let ended = child.0.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "Python's API starts");
            std::thread::sleep(Duration::from_millis(50));
        }
        work(address);
    }
}

/// What it complains of goes into a file.
fn command(program: &str, directory: &Path, name: &str) -> Command {
    let log = std::fs::File::create(directory.join(name).with_extension("log")).unwrap();
    let mut command = Command::new(program);
    command.arg(SCRIPT).stderr(log);
    command
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Every row of `before` is in `after` as it was; columns that were added hold nothing.
fn no_row_is_lost(before: &Value, after: &Value, when: &str) {
    for (table, rows) in before.as_object().unwrap() {
        let there = after[table].as_array().unwrap();
        for row in rows.as_array().unwrap() {
            let row = row.as_object().unwrap();
            let key = if table == "notifications" { "notification_uuid" } else { "uuid" };
            let same = there.iter().find(|other| other[key] == row[key]);
            let same = same.unwrap_or_else(|| panic!("{when}: {table} lost {row:?}"));
            for (column, value) in same.as_object().unwrap() {
                let was = row.get(column).unwrap_or(&Value::Null);
                assert_eq!(value, was, "{when}: {column} of {table} {}", row[key]);
            }
        }
    }
}

fn json(answer: (u16, String)) -> Value {
    assert!(answer.0 < 300, "{} {}", answer.0, answer.1);
    serde_json::from_str(&answer.1).unwrap()
}

fn report(host: &str) -> String {
    format!(
        r#"{{"notification": {{"type": "COMPUTE_HOST", "hostname": "{host}",
            "generated_time": "2026-09-21T12:00:00.000000", "payload": {{"event": "STOPPED",
            "host_status": "NORMAL", "cluster_status": "OFFLINE"}}}}}}"#
    )
}

/// What is asked of an API to see the whole history.
fn history(address: std::net::SocketAddr) -> Value {
    let get = |path: &str| json(ask(address, "GET", path, ""));
    let mut notifications = get("/v1/notifications")["notifications"].take();
    // Python shows none of what came before the column was there; ours shows that of the host.
    for row in notifications.as_array_mut().unwrap() {
        row.as_object_mut().unwrap().remove("failover_segment_uuid");
    }
    let mut segments = get("/v1/segments")["segments"].take();
    segments.as_array_mut().unwrap().sort_by_key(|segment| segment["id"].as_i64());
    let hosts = format!("/v1/segments/{}/hosts", segments[0]["uuid"].as_str().unwrap());
    serde_json::json!({
        "segments": segments,
        "hosts": get(&hosts)["hosts"],
        "notifications": notifications,
        "vmoves": get(&format!("/v1/notifications/{RECOVERED}/vmoves"))["vmoves"],
    })
}

fn taken_over_and_back(fresh: &Fresh, revision: &str) {
    let Some(mut python) = Python::on(fresh) else { return };
    let left = python.ask(&format!("leave {revision}"));
    let configuration = fresh.configuration(0, 15_868);

    manage(&configuration, &["db", "sync"]);
    no_row_is_lost(&left, &python.ask("rows"), "after our db sync");
    assert_eq!(manage(&configuration, &["db", "version"]).trim(), NEWEST);
    let shown = {
        let ours = Api::start(fresh, 0);
        let one = json(ask(ours.address, "GET", &format!("/v1/notifications/{RECOVERED}"), ""));
        let details = &one["notification"]["recovery_workflow_details"];
        assert_eq!(*details, python.ask(&format!("progress {RECOVERED}")), "{revision}");
        assert_eq!(details.as_array().unwrap().len(), 3);
        history(ours.address)
    };
    assert_eq!(shown["notifications"].as_array().unwrap().len(), 40);

    assert_eq!(python.ask("sync"), NEWEST, "Python's own db sync is content");
    let given_back = python.ask("rows");
    no_row_is_lost(&left, &given_back, "after Python's db sync");
    python.serving(|address| {
        assert_eq!(history(address), shown, "Python shows what we showed, {revision}");
        let new = r#"{"segment": {"name": "new", "service_type": "c", "recovery_method": "auto"}}"#;
        json(ask(address, "POST", "/v1/segments", new));
        json(ask(address, "POST", "/v1/notifications", &report("compute2")));
    });

    let worked_on = python.ask("rows");
    manage(&configuration, &["db", "sync"]);
    let ours = Api::start(fresh, 0);
    let (status, said) = ask(ours.address, "POST", "/v1/notifications", &report("compute2"));
    assert_eq!(status, 409, "what Python accepted is not accepted again: {said}");
    let again = history(ours.address);
    assert_eq!(again["notifications"].as_array().unwrap().len(), 41);
    assert_eq!(again["segments"].as_array().unwrap().len(), 5);
    no_row_is_lost(&worked_on, &python.ask("rows"), "on ours again");
}

#[test]
fn a_database_of_pythons_is_taken_over_and_given_back_on_sqlite() {
    for revision in REVISIONS {
        taken_over_and_back(&sqlite(), revision);
    }
}

#[tokio::test]
async fn a_database_of_pythons_is_taken_over_and_given_back_on_mariadb() {
    let Some(pythons) = mariadb().await else { return };
    let Some(mut python) = Python::on(&pythons) else { return };
    python.ask("sync");
    let to_the_letter = schema(&pythons).await;
    assert_eq!(to_the_letter.len(), 9, "{to_the_letter:?}");
    for revision in REVISIONS {
        let Some(fresh) = mariadb().await else { return };
        taken_over_and_back(&fresh, revision);
        assert_eq!(schema(&fresh).await, to_the_letter, "adopted at {revision}");
    }
}

#[tokio::test]
async fn a_fresh_schema_of_ours_is_pythons_to_the_letter_on_mariadb() {
    let (Some(ours), Some(pythons)) = (mariadb().await, mariadb().await) else { return };
    let Some(mut python) = Python::on(&pythons) else { return };
    python.ask("sync");
    manage(&ours.configuration(0, 15_868), &["db", "sync"]);
    assert_eq!(schema(&ours).await, schema(&pythons).await);
}

/// What `SHOW CREATE TABLE` says of every table that is not ours, and the revisions.
async fn schema(of: &Fresh) -> BTreeMap<String, String> {
    let url = DatabaseUrl::parse(&of.urls[0]).unwrap().0.to_sqlx();
    let db = Database::connect(url.expose()).await.unwrap();
    let ask = |sql: String| db.query_all_raw(Statement::from_string(DbBackend::MySql, sql));
    let mut made = BTreeMap::new();
    for row in ask("SHOW TABLES".into()).await.unwrap() {
        let table: String = row.try_get_by_index(0).unwrap();
        if table.starts_with("ha_") || table == "migrate_version" {
            continue;
        }
        let rows = ask(format!("SHOW CREATE TABLE {table}")).await.unwrap();
        let text: String = rows[0].try_get_by_index(1).unwrap();
        let text: Vec<&str> =
            text.split(' ').filter(|word| !word.starts_with("AUTO_INCREMENT=")).collect();
        let mut text = text.join(" ");
        if table.ends_with("alembic_version") {
            let rows = ask(format!("SELECT version_num FROM {table}")).await.unwrap();
            text += &rows[0].try_get::<String>("", "version_num").unwrap();
        }
        made.insert(table, text);
    }
    made
}

#[tokio::test]
async fn a_database_of_pythons_is_taken_over_and_given_back_on_postgresql() {
    for revision in REVISIONS {
        let Some(fresh) = postgresql().await else { return };
        taken_over_and_back(&fresh, revision);
    }
}
