//! `masakari policy`: a sample of the rules, a check of a file, and what is in force; and how the
//! API keeps to files that change.

use crate::{
    cli::ConfigArgs,
    config::{Configuration, PolicyFiles},
    output,
};
use anyhow::Context;
use clap::{Args, Subcommand};
use oslo::policy::{Creds, Decision, Enforcer, Stamp, redundant};
use ports::Clock;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
pub(crate) struct Policy {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Every rule with what it guards and its default, commented out
    Sample,
    /// What is wrong with a file of rules; with --access, whom it lets do what
    Check(Check),
    /// The rules in force
    List {
        #[command(flatten)]
        config: ConfigArgs,
        /// Only those of your files that say what the default says anyway
        #[arg(long)]
        redundant: bool,
    },
}

#[derive(Args, Debug)]
struct Check {
    file: PathBuf,
    /// Keystone's answer to a token, as JSON (`GET /v3/auth/tokens`): who asks
    #[arg(long, value_name = "FILE")]
    access: Option<PathBuf>,
    /// What is asked about, as JSON; the caller's own project without it
    #[arg(long, value_name = "FILE", requires = "access")]
    target: Option<PathBuf>,
    /// This rule only
    #[arg(long, requires = "access")]
    rule: Option<String>,
    /// The caller is an administrator whatever the rules say
    #[arg(long, requires = "access")]
    is_admin: bool,
}

impl Policy {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.what {
            What::Sample => output::say(oslo::policy::sample(api::RULES).trim_end()),
            What::Check(check) => return check.run(),
            What::List { config, redundant } => {
                let configuration = Configuration::read(&config.0, "masakari-api")?;
                list(&configuration.policy_files(), *redundant)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list(files: &PolicyFiles, only_redundant: bool) -> anyhow::Result<()> {
    let superfluous = redundant(api::RULES, &files.overrides()?);
    for (name, check) in files.enforcer()?.0.rules() {
        if !only_redundant || superfluous.contains(&name) {
            // Nobody may: it cannot be read.
            let check = check.unwrap_or_else(|| "!".to_owned());
            output::say(&format!("{}: {}", Value::from(name), Value::from(check)));
        }
    }
    Ok(())
}

impl Check {
    /// Exit code 1: something is wrong, or the one rule that was asked for says no.
    fn run(&self) -> anyhow::Result<ExitCode> {
        let (enforcer, findings) = PolicyFiles::only(&self.file).enforcer()?;
        for finding in &findings {
            output::say(&format!("{}: {finding}", self.file.display()));
        }
        let mut well = findings.is_empty();
        if let Some(access) = &self.access {
            let (mut creds, own) = caller(&json(access)?)
                .with_context(|| format!("{} is no answer to a token", access.display()))?;
            let target = self.target.as_deref().map(json).transpose()?;
            let target = target.map_or(own, |target| flat(&target));
            let is_admin = self.is_admin
                || enforcer.enforce("context_is_admin", &target, &creds) == Decision::Allowed;
            creds = creds.with("is_admin", is_admin);
            let allowed = self.try_rules(&enforcer, &target, &creds);
            well &= allowed || self.rule.is_none();
        } else if well {
            output::say("nothing is wrong");
        }
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn try_rules(
        &self,
        enforcer: &Enforcer,
        target: &BTreeMap<String, String>,
        creds: &Creds,
    ) -> bool {
        let names = match &self.rule {
            Some(rule) => vec![rule.clone()],
            None => {
                let actions = enforcer.rules().into_iter().map(|(name, _)| name);
                actions.filter(|name| name.contains(':')).collect()
            }
        };
        let mut all = true;
        for name in names {
            match enforcer.enforce(&name, target, creds) {
                Decision::Allowed => output::say(&format!("passed: {name}")),
                Decision::Denied(why) => {
                    all = false;
                    output::say(&format!("failed: {name} ({why})"));
                }
            }
        }
        all
    }
}

fn json(path: &Path) -> anyhow::Result<Value> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

/// The caller of a token, and what is the caller's own.
fn caller(answer: &Value) -> anyhow::Result<(Creds, BTreeMap<String, String>)> {
    let token = answer.get("token").context("there is no \"token\" in it")?;
    let id = |of: &str| token.get(of).and_then(|part| part.get("id")).and_then(Value::as_str);
    let user = id("user").context("there is no \"user\" in it")?;
    let roles =
        token.get("roles").and_then(Value::as_array).context("there are no \"roles\" in it")?;
    let roles: Vec<Value> = roles.iter().filter_map(|role| role.get("name")).cloned().collect();
    let parts = token.as_object().into_iter().flatten();
    let mut creds =
        parts.fold(Creds::default(), |creds, (name, part)| creds.with(name, part.clone()));
    creds = creds.with("roles", roles).with("user_id", user);
    let mut own = BTreeMap::from([("user_id".to_owned(), user.to_owned())]);
    if let Some(project) = id("project") {
        creds = creds.with("project_id", project);
        own.insert("project_id".to_owned(), project.to_owned());
    }
    if let Some(domain) = id("domain") {
        creds = creds.with("domain_id", domain);
    }
    if token.get("system").is_some_and(|system| !system.is_null()) {
        creds = creds.with("system_scope", "all");
    }
    Ok((creds, own))
}

/// `{"a": {"b": 1}}` is `a.b`.
fn flat(value: &Value) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    let mut open = vec![(String::new(), value)];
    while let Some((name, value)) = open.pop() {
        match value {
            Value::Object(parts) => open.extend(parts.iter().map(|(part, value)| {
                let dot = if name.is_empty() { "" } else { "." };
                (format!("{name}{dot}{part}"), value)
            })),
            Value::String(text) => drop(flat.insert(name, text.clone())),
            Value::Null => drop(flat.insert(name, "None".to_owned())),
            Value::Bool(true) => drop(flat.insert(name, "True".to_owned())),
            Value::Bool(false) => drop(flat.insert(name, "False".to_owned())),
            Value::Number(_) | Value::Array(_) => drop(flat.insert(name, value.to_string())),
        }
    }
    flat
}

/// Puts files into force that changed since `seen`. Files that cannot be used leave the rules as they are: nobody
/// gets in by a half-written file, and nobody is kept out.
pub(crate) async fn keep_current(
    files: PolicyFiles,
    mut seen: Stamp,
    enforcer: &Enforcer,
    clock: &dyn Clock,
) {
    loop {
        clock.sleep(LOOK_EVERY).await;
        let now = files.stamp();
        if now == seen {
            continue;
        }
        seen = now;
        match files.enforcer() {
            Ok((new, findings)) => {
                findings.iter().for_each(|finding| tracing::warn!("policy: {finding}"));
                enforcer.replace(&new);
                tracing::info!("the policy was read anew");
            }
            Err(error) => {
                tracing::error!("the policy stays as it was: {error:#}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::SystemClock;
    use serde_json::json;

    fn allowed(enforcer: &Enforcer, rule: &str, roles: &[&str]) -> bool {
        let creds = Creds::default().with("roles", roles.to_vec());
        enforcer.enforce(rule, &BTreeMap::new(), &creds) == Decision::Allowed
    }

    const INDEX: &str = "os_masakari_api:segments:index";

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_in_force_within_a_second_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.yaml");
        let write = |text: &str| std::fs::write(&file, text).unwrap();
        write(&format!("\"{INDEX}\": \"role:reader\"\n"));
        let files = PolicyFiles::only(&file);
        let seen = files.stamp();
        let (enforcer, _) = files.enforcer().unwrap();
        let steps = async {
            let soon = || SystemClock.sleep(Duration::from_millis(2500));
            assert!(allowed(&enforcer, INDEX, &["reader"]));
            write(&format!("\"{INDEX}\": \"role:operator\"\n"));
            soon().await;
            assert!(!allowed(&enforcer, INDEX, &["reader"]));
            assert!(allowed(&enforcer, INDEX, &["operator"]));
            write("\"open: [");
            soon().await;
            assert!(allowed(&enforcer, INDEX, &["operator"]), "a broken file closed the door");
            write(&format!("\"{INDEX}\": \"@\"\n# mended\n"));
            soon().await;
            assert!(allowed(&enforcer, INDEX, &[]));
        };
        tokio::select! {
            () = keep_current(files.clone(), seen, &enforcer, &SystemClock) => {}
            () = steps => {}
        }
    }

    #[test]
    fn a_token_says_who_asks_and_about_what() {
        let answer = json!({"token": {
            "user": {"id": "u", "name": "n"}, "project": {"id": "p"}, "roles": [{"name": "admin"}],
        }});
        let (creds, own) = caller(&answer).unwrap();
        let creds = creds.with("is_admin", false);
        let (enforcer, _) = PolicyFiles::only(Path::new("/dev/null")).enforcer().unwrap();
        assert_eq!(enforcer.enforce("context_is_admin", &own, &creds), Decision::Allowed);
        assert_eq!(enforcer.enforce("admin_or_owner", &own, &creds), Decision::Allowed);
        assert_ne!(enforcer.enforce(INDEX, &own, &creds), Decision::Allowed);
        assert!(caller(&json!({})).is_err());
        assert_eq!(flat(&json!({"a": {"b": 1}, "c": true}))["a.b"], "1");
    }
}
