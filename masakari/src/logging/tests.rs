//! Lines and places, by the options as an operator writes them.

use super::*;
use crate::config::Configuration;
use ports::{Boot, SystemClock};
use recovery::Millis;
use std::{fs, os::unix::net::UnixDatagram, path::Path, time::Duration};
use tracing::Level;

/// 2026-01-02 03:04:05.006 UTC.
const THEN_MS: i64 = 1_767_323_045_006;

#[derive(Debug)]
struct Stopped;

#[async_trait::async_trait]
impl Clock for Stopped {
    fn wall(&self) -> Millis {
        Millis(THEN_MS)
    }

    fn boot(&self) -> Boot {
        Boot(5)
    }

    async fn sleep(&self, wait: Duration) {
        SystemClock.sleep(wait).await;
    }
}

fn config(options: &str) -> Config {
    let told = Configuration::of_text(&format!("[DEFAULT]\n{options}"));
    told.log("masakari-engine", "machine", THEN_MS).unwrap()
}

/// What these options make of what `work` logs.
fn logged(options: &str, work: impl FnOnce()) -> String {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&format!("log_dir = {}\n{options}", folder.path().display()));
    let levels = config.levels.targets();
    let (places, limit) = (Mutex::new(config.places), Mutex::new(config.limit));
    let oslo = Oslo { places, limit, look: config.look, clock: Arc::new(Stopped) };
    let subscriber = tracing_subscriber::registry().with(oslo.with_filter(levels));
    tracing::subscriber::with_default(subscriber, work);
    fs::read_to_string(folder.path().join("masakari-engine.log")).unwrap()
}

fn time() -> String {
    format::date(THEN_MS, "%Y-%m-%d %H:%M:%S")
}

#[test]
fn a_line_is_as_oslo_log_writes_it() {
    let pid = std::process::id();
    let time = time();
    let text = logged("", || {
        tracing::info!(target: "engine::claim", host = "c1", count = 3, "claimed");
        tracing::warn!(target: "masakari", "two\nlines");
        tracing::debug!("not told");
        tracing::error!(
            target: "api::envelope", request_id = "req-1", user_id = "u", project_id = "p", "no"
        );
    });
    assert_eq!(
        text,
        format!(
            "{time}.006 {pid} INFO masakari.engine.claim [-] claimed host=c1 count=3\n\
             {time}.006 {pid} WARNING masakari [-] two\\nlines\n\
             {time}.006 {pid} ERROR masakari.api.envelope [None req-1 u p - - - -] no\n"
        )
    );
}

#[test]
fn the_fields_of_the_span_around_it_stand_behind_a_line_once() {
    let text = logged("default_log_levels = engine=WARN", || {
        let recovery =
            tracing::error_span!(target: "engine::tell", "recovery", notification = "n-1");
        let _in = recovery.entered();
        let _library = tracing::error_span!(target: "h2::client", "poll", peer = "x").entered();
        tracing::warn!(target: "engine::acts", host = "c1", "force down");
        tracing::warn!(target: "engine::locks", notification = "n-2", "undone");
    });
    let lines: Vec<&str> = text.lines().filter_map(|line| line.split("[-] ").nth(1)).collect();
    assert_eq!(lines, ["force down host=c1 notification=n-1", "undone notification=n-2"]);
}

#[test]
fn the_templates_are_the_operators() {
    let options = "debug = true\nlog_date_format = %Y/%j\nlogging_debug_format_suffix = <%(filename)s>\n\
        logging_default_format_string = %(asctime)s|%(msecs)5d|%(levelname)-8s|%(name).8s|100%%|%(message)s";
    let text = logged(options, || tracing::debug!(target: "engine::turn", "x"));
    let day = format::date(THEN_MS, "%Y/%j");
    assert_eq!(text, format!("{day}|    6|DEBUG   |masakari|100%|x <tests.rs>\n"));
    for (template, why) in [
        ("%(asctim)s", "no line has %(asctim)s"),
        ("100%", "after a percent sign"),
        ("%(message)q", "must end with"),
        ("%(message", "after a percent sign"),
    ] {
        let BadTemplate(told) = Template::parse(template).unwrap_err();
        assert!(told.contains(why), "{template}: {told}");
    }
}

#[test]
fn json_has_the_fields_that_oslo_log_has() {
    let text = logged("use_json = true", || {
        tracing::info!(target: "engine", host = "c1", request_id = "req-1", "a \"b\"");
    });
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["message"], "a \"b\" host=c1");
    assert_eq!(line["msg"], "a \"b\"");
    assert_eq!((&line["levelname"], &line["levelno"]), (&"INFO".into(), &20.into()));
    assert_eq!(line["extra"]["host"], "c1");
    assert_eq!(line["context"]["request_id"], "req-1");
    assert_eq!((&line["name"], &line["hostname"]), (&"masakari.engine".into(), &"machine".into()));
    assert_eq!(line["asctime"], time());
    for name in [
        "args",
        "pathname",
        "filename",
        "module",
        "lineno",
        "funcname",
        "created",
        "msecs",
        "relative_created",
        "thread",
        "thread_name",
        "process_name",
        "process",
        "traceback",
        "error_summary",
    ] {
        assert!(line.get(name).is_some(), "{name} is missing");
    }
}

#[test]
fn levels_are_by_part_and_pythons_parts_have_counterparts() {
    let work = || {
        tracing::info!(target: "sqlx::query", "quiet");
        tracing::warn!(target: "sqlx::query", "sql");
        tracing::debug!(target: "engine::turn", "turn");
        tracing::info!(target: "hyper::client", "hyper");
    };
    let words = |options: &str| {
        let text = logged(options, work);
        text.lines().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(words(""), ["sql"]);
    assert_eq!(words("default_log_levels ="), ["quiet", "sql", "hyper"]);
    assert_eq!(
        words(
            "default_log_levels = masakari.engine=DEBUG,sqlalchemy=40\nlogging_debug_format_suffix ="
        ),
        ["turn", "hyper"]
    );
}

#[test]
fn more_lines_than_allowed_are_dropped_and_that_is_told_once() {
    let options = "rate_limit_burst = 2\nrate_limit_interval = 60\nrate_limit_except_level = ERROR\n\
        logging_default_format_string = %(message)s";
    let text = logged(options, || {
        (0..5).for_each(|n| tracing::info!("{n}"));
        tracing::error!("heard");
    });
    assert_eq!(text, "0\n1\nLogging rate limit: drop after 2 records/60 sec\nheard\n");
    let mut limit = Limit::new(1, 1000, None);
    let passes = [0, 1, 999, 1000].map(|at| limit.passes(Level::INFO, at).0);
    assert_eq!(passes, [true, false, false, true]);
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read_to_string(entry.path()).unwrap())
    };
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|e| read(e.unwrap())).collect();
    found.sort();
    found
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn a_file_that_is_moved_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut file = LogFile::open(path.clone(), Rotation::ByOthers, 30, 0).unwrap();
    file.write("1", 0).unwrap();
    fs::rename(&path, folder.path().join("log.old")).unwrap();
    file.write("2", 0).unwrap();
    file.write("3", 0).unwrap();
    assert_eq!(files(folder.path()), pairs(&[("log", "2\n3\n"), ("log.old", "1\n")]));
}

#[test]
fn a_file_is_rotated_by_size_and_so_many_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation::Size { bytes_max: 8 };
    let mut file = LogFile::open(folder.path().join("log"), rotation, 2, 0).unwrap();
    for line in ["a1", "a2", "b1", "b2", "c1", "c2", "d1"] {
        file.write(line, 0).unwrap();
    }
    let expected = [("log", "d1\n"), ("log.1", "c1\nc2\n"), ("log.2", "b1\nb2\n")];
    assert_eq!(files(folder.path()), pairs(&expected));
    let mut kept = LogFile::open(folder.path().join("all"), rotation, 0, 0).unwrap();
    (0..9).for_each(|_| kept.write("line", 0).unwrap());
    assert_eq!(fs::metadata(folder.path().join("all")).unwrap().len(), 45);
}

#[test]
fn a_file_is_rotated_by_time_and_so_many_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation::Time { every: 2, unit: Unit::Seconds };
    let mut file = LogFile::open(folder.path().join("log"), rotation, 2, THEN_MS).unwrap();
    for (line, after_ms) in [("1", 0), ("2", 1999), ("3", 2000), ("4", 4000), ("5", 9000)] {
        file.write(line, THEN_MS + after_ms).unwrap();
    }
    let name = |ms: i64| format!("log.{}", format::date(THEN_MS + ms, "%Y-%m-%d_%H-%M-%S"));
    let expected = [("log", "5\n"), (&name(2000), "3\n"), (&name(4000), "4\n")];
    assert_eq!(files(folder.path()), pairs(&expected));
}

#[test]
fn a_day_ends_at_midnight_here() {
    use chrono::{Datelike, Local, TimeZone, Timelike};
    let folder = tempfile::tempdir().unwrap();
    for (unit, every) in [(Unit::Midnight, 1), (Unit::Weekday, 0), (Unit::Weekday, 6)] {
        let rotation = Rotation::Time { every, unit };
        let file = LogFile::open(folder.path().join("log"), rotation, 2, THEN_MS).unwrap();
        let due = Local.timestamp_millis_opt(file.due_ms()).unwrap();
        let last_day = (due - chrono::Duration::hours(12)).weekday().num_days_from_monday();
        assert_eq!((due.hour(), due.minute(), due.second()), (0, 0, 0));
        assert!(unit == Unit::Midnight || i64::from(last_day) == every, "{unit:?} {every}: {due}");
        assert!(file.due_ms() > THEN_MS && file.due_ms() - THEN_MS <= 8 * 24 * 3600 * 1000);
    }
}

#[test]
fn syslog_and_journal_get_their_own_forms() {
    let folder = tempfile::tempdir().unwrap();
    let (syslog, journal) = (folder.path().join("log"), folder.path().join("journal"));
    let (at_syslog, at_journal) =
        (UnixDatagram::bind(&syslog).unwrap(), UnixDatagram::bind(&journal).unwrap());
    let mut config = config("logging_default_format_string = %(message)s");
    let facility = Facility::named("local3").unwrap();
    config.places = vec![
        Place::Syslog(Syslog { facility, socket: Socket::new(&syslog) }),
        Place::Journal(Journal { facility, socket: Socket::new(&journal) }),
    ];
    let (places, limit) = (Mutex::new(config.places), Mutex::new(None));
    let oslo = Oslo { places, limit, look: config.look, clock: Arc::new(Stopped) };
    let subscriber = tracing_subscriber::registry().with(oslo);
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!(target: "engine", "hello");
    });
    let read = |socket: &UnixDatagram| {
        let mut bytes = [0; 4096];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let time = format::date(THEN_MS, "%b %e %H:%M:%S");
    assert_eq!(read(&at_syslog), format!("<156>{time} masakari-engine: hello"));
    let fields = read(&at_journal);
    for field in [
        "MESSAGE=hello",
        "PRIORITY=4",
        "SYSLOG_FACILITY=19",
        "SYSLOG_IDENTIFIER=masakari-engine",
        "LOGGER_NAME=masakari.engine",
        "LOGGER_LEVEL=WARNING",
    ] {
        assert!(fields.lines().any(|line| line == field), "{field} in {fields}");
    }
}

#[test]
fn a_place_that_is_not_there_is_told_at_the_start() {
    let configuration = Configuration::of_text("[DEFAULT]\nlog_file = /no/such/folder/x.log\n");
    let error = configuration.log("masakari-api", "m", 0).unwrap_err();
    assert!(error.to_string().contains("/no/such/folder/x.log cannot be written"), "{error:#}");
    let configuration =
        Configuration::of_text("[DEFAULT]\nsyslog_log_facility = x\nuse_syslog = 1\n");
    let error = configuration.log("masakari-api", "m", 0).unwrap_err();
    assert!(error.to_string().contains("x.conf:2"), "{error:#}");
}
