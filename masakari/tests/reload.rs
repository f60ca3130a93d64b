//! SIGHUP, heard by the shipped program: what can change changes, a mistake changes nothing, and it lives on.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "what is tested is a program, in real time")]

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// An engine whose Nova is nowhere.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn write(folder: &Path, settings: &str) {
    let text = format!(
        "[DEFAULT]\nstate_path = {}\nauth_strategy = noauth2\n\
         os_privileged_user_auth_url = http://127.0.0.1:9/v3\n{settings}",
        folder.display(),
    );
    std::fs::write(folder.join("masakari.conf"), text).unwrap();
}

impl Running {
    fn start(folder: &Path) -> Self {
        let program = env!("CARGO_BIN_EXE_masakari");
        let synced = Command::new(program)
            .args(["manage", "--config-file", "masakari.conf", "db", "sync"])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(synced.status.success(), "{synced:?}");
        let log = folder.join("log");
        let file = std::fs::File::create(&log).unwrap();
        let mut command = Command::new(program);
        command.args(["engine", "--config-file", "masakari.conf"]).current_dir(folder);
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Self { child: command.spawn().unwrap(), log }
    }

    /// Waits until the log says `words` so many times.
    fn says(&mut self, words: &str, times: usize) -> String {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let said = std::fs::read_to_string(&self.log).unwrap();
            if said.matches(words).count() >= times {
                return said;
            }
            assert_eq!(self.child.try_wait().unwrap(), None, "it lives: {said}");
            assert!(Instant::now() < until, "{words:?} is missing in: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn hang_up(&self) {
        let kill = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }
}

#[test]
fn a_hangup_puts_new_settings_into_force_and_a_mistake_leaves_the_old_ones() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "[fencing]\nrequire = proven\n");
    let mut engine = Running::start(folder.path());
    let said = engine.says("engine started", 1);
    assert!(!said.contains("require = monitor"), "{said}");

    write(folder.path(), "[fencing]\nrequire = a-guess\n");
    engine.hang_up();
    let said = engine.says("everything stays as it was", 1);
    assert!(said.contains("a-guess"), "it says what is wrong: {said}");

    write(folder.path(), "[fencing]\nrequire = monitor\n[ha]\nlease_seconds = 99\n");
    engine.hang_up();
    let said = engine.says("the configuration was read anew", 1);
    assert!(said.contains("require = monitor"), "{said}");
    assert!(said.contains("the lease term stays 10 s"), "{said}");
    assert!(!said.contains(" DEBUG "), "{said}");

    write(folder.path(), "debug = true\n");
    engine.hang_up();
    engine.says("the configuration was read anew", 2);
    engine.says(" DEBUG ", 1);
}

/// A list that names a step which nothing declares.
const MISSPELT: &str = "[taskflow_driver_recovery_flows]\n\
    process_failure_recovery_tasks = pre:[tel],main:[disable_compute_node_task],post:[]\n\
    [recovery_steps]\nstep = tell exec:/bin/true\n";

#[test]
fn a_step_that_is_not_declared_stops_the_start_and_changes_nothing_at_a_hangup() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "");
    let mut engine = Running::start(folder.path());
    engine.says("engine started", 1);
    let why = "masakari.conf:6: [taskflow_driver_recovery_flows] process_failure_recovery_tasks names \
        \"tel\", which is neither a task of this kind of recovery nor a declared step; did you mean \
        \"tell\"?";

    write(folder.path(), MISSPELT);
    engine.hang_up();
    let said = engine.says("everything stays as it was", 1);
    assert!(said.contains(why), "{said}");

    let refused = Command::new(env!("CARGO_BIN_EXE_masakari"))
        .args(["engine", "--config-file", "masakari.conf"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&[refused.stdout, refused.stderr].concat()).into_owned();
    assert!(said.contains(why), "{said}");

    write(folder.path(), &MISSPELT.replace("[tel]", "[tell]"));
    engine.hang_up();
    engine.says("the configuration was read anew", 1);
}
