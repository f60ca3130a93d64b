//! `[taskflow_driver_recovery_flows]` and `[recovery_steps]`: which tasks a recovery is made of, and what the
//! operator's own steps among them do.
//!
//! Where Python Masakari loads a class by its name, the name is one of those that `[recovery_steps] step`
//! declares, one a line: `NAME exec:/path` or `NAME webhook:https://…`, and words `deadline=SECONDS`,
//! `may_fail=true`, `secret_file=/path`.

use super::Configuration;
use engine::{Declared, Does, Steps, Webhook};
use oslo::{Secret, config::nearest};
use ports::HttpClientConfig;
use recovery::steps::{Failure, Flow, Mistake};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

const FLOWS: &str = "taskflow_driver_recovery_flows";
const STEPS: &str = "recovery_steps";
/// The lists of a flow, in their order.
const LISTS: [&str; 3] = ["pre", "main", "post"];
/// Those that do nothing: Python Masakari's, and the word for it.
const NOTHING: [&str; 2] = ["no_op", "noop"];
const NAME_CHARS_MOST: usize = 64;
const DEADLINE_S: std::ops::RangeInclusive<u64> = 1..=3_600;

impl Configuration {
    /// # Errors
    /// When a list names what there is not or cannot be done, or a declaration makes no sense.
    pub(crate) fn steps(&self) -> anyhow::Result<Steps> {
        let declared = self.declared()?;
        let flow = |name, failure| self.flow(name, failure, &declared);
        Ok(Steps {
            auto: flow("host_auto_failure_recovery_tasks", Failure::Host)?,
            reserved: flow("host_rh_failure_recovery_tasks", Failure::Host)?,
            server: flow("instance_failure_recovery_tasks", Failure::Server)?,
            process: flow("process_failure_recovery_tasks", Failure::Process)?,
            attempts: self.values.get(STEPS, "attempts"),
            declared,
        })
    }

    /// How webhooks are spoken with.
    pub(crate) fn webhook_http(&self) -> HttpClientConfig {
        let ca_file = self.text(STEPS, "ca_file").map(PathBuf::from);
        HttpClientConfig { ca_file, ..HttpClientConfig::default() }
    }

    fn declared(&self) -> anyhow::Result<BTreeMap<String, Declared>> {
        let deadline = Duration::from_secs(self.values.get(STEPS, "deadline"));
        let nothing = |name: &str| {
            let does = Does::Nothing;
            (name.to_owned(), Declared { does, deadline, may_fail: true })
        };
        let mut all: BTreeMap<String, Declared> = NOTHING.into_iter().map(nothing).collect();
        let texts: Vec<String> = self.values.get(STEPS, "step");
        for (n, text) in texts.iter().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            let wrong =
                |what: String| self.wrong_nth(STEPS, "step", n, format!("= {text:?} {what}"));
            let (name, step) = declaration(text, deadline).map_err(wrong)?;
            if all.insert(name, step).is_some() {
                return Err(wrong("has a name that another step has".into()));
            }
        }
        Ok(all)
    }

    fn flow(
        &self,
        name: &str,
        failure: Failure,
        declared: &BTreeMap<String, Declared>,
    ) -> anyhow::Result<Flow> {
        let lists: BTreeMap<String, Vec<String>> = self.values.get(FLOWS, name);
        if let Some(odd) = lists.keys().find(|list| !LISTS.contains(&list.as_str())) {
            let what = format!("has a list {odd:?}; there are pre, main and post");
            return Err(self.wrong(FLOWS, name, what));
        }
        let names = LISTS.iter().filter_map(|list| lists.get(*list)).flatten();
        let flow = failure.flow(names.map(String::as_str), |name| declared.contains_key(name));
        flow.map_err(|mistake| {
            let hint = meant(&mistake, failure, declared);
            self.wrong(FLOWS, name, format!("{mistake}{hint}"))
        })
    }
}

/// The name that may have been meant.
fn meant(mistake: &Mistake, failure: Failure, declared: &BTreeMap<String, Declared>) -> String {
    let name = match mistake {
        Mistake::Unknown { name } => name,
        Mistake::Twice { .. } | Mistake::Order { .. } | Mistake::Needs { .. } => {
            return String::new();
        }
    };
    let mut names: Vec<&str> = failure.tasks().collect();
    names.extend(declared.keys().map(String::as_str));
    match nearest(name, names.into_iter()) {
        Some(near) => format!("; did you mean {near:?}?"),
        None => format!("; [{STEPS}] step declares one"),
    }
}

/// `NAME KIND:WHERE WORD=VALUE …`
fn declaration(text: &str, deadline: Duration) -> Result<(String, Declared), String> {
    let mut words = text.split_whitespace();
    let (Some(name), Some(what)) = (words.next(), words.next()) else {
        return Err("is not NAME exec:/path or NAME webhook:https://host/path".into());
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.chars().all(fits) || name.len() > NAME_CHARS_MOST {
        let most = NAME_CHARS_MOST;
        return Err(format!(
            "has a name with more than letters, digits, _, - and ., or than {most}"
        ));
    }
    if [Failure::Host, Failure::Server, Failure::Process]
        .iter()
        .any(|f| f.tasks().any(|t| t == name))
    {
        return Err("has the name of a built-in task".into());
    }
    let (mut deadline, mut may_fail, mut secret) = (deadline, false, None);
    for word in words {
        match word.split_once('=') {
            Some(("deadline", seconds)) => deadline = read_deadline(seconds)?,
            Some(("may_fail", yes)) => may_fail = read_bool(yes)?,
            Some(("secret_file", path)) => secret = Some(read_secret(path)?),
            Some(_) | None => {
                return Err(format!(
                    "has {word:?}; there are deadline=, may_fail= and secret_file="
                ));
            }
        }
    }
    let does = match what.split_once(':') {
        Some(("exec", path)) if path.starts_with('/') && secret.is_none() => {
            Does::Program(path.into())
        }
        Some(("exec", _)) if secret.is_some() => {
            return Err("has a secret_file; only a webhook is signed".into());
        }
        Some(("exec", path)) => return Err(format!("names {path:?}, which is no absolute path")),
        Some(("webhook", url)) => match Webhook::new(url, secret) {
            Some(webhook) => Does::Webhook(webhook),
            None => return Err("names no http:// or https:// URL".into()),
        },
        Some(_) | None => return Err(format!("has {what:?}; there are exec: and webhook:")),
    };
    Ok((name.to_owned(), Declared { does, deadline, may_fail }))
}

fn read_deadline(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| DEADLINE_S.contains(seconds));
    let (least, most) = (DEADLINE_S.start(), DEADLINE_S.end());
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| format!("has a deadline that is not {least} to {most} seconds"))
}

fn read_bool(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("has may_fail= with neither true nor false".into()),
    }
}

fn read_secret(path: &str) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("has a secret_file that cannot be read: {error}"))?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err("has an empty secret_file".into());
    }
    Ok(Secret::new(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::told_of_a_role as told;
    use recovery::steps::{Listed, Place};

    fn listed(step: &str, place: Place) -> Listed {
        Listed { step: step.into(), place }
    }

    #[test]
    fn without_a_word_of_the_operators_everything_is_as_usual() {
        let steps = Configuration::of_text("").steps().unwrap();
        for flow in [&steps.auto, &steps.reserved, &steps.server, &steps.process] {
            assert_eq!(flow, &Flow::default());
        }
        assert_eq!(steps.declared.keys().collect::<Vec<_>>(), ["no_op", "noop"]);
    }

    /// The form of Masakari's own sample of `custom-recovery-methods.conf`.
    #[test]
    fn the_lists_of_python_masakari_are_read_in_their_order() {
        let text = "[taskflow_driver_recovery_flows]\n\
            host_auto_failure_recovery_tasks = main:['fence', 'prepare_HA_enabled_instances_task'],post:[\
            'evacuate_instances_task', 'tell'],pre:['no_op', 'disable_compute_service_task']\n\
            process_failure_recovery_tasks = pre:[],main:[confirm_compute_node_disabled_task,tell],post:[]\n\
            [recovery_steps]\nstep = fence exec:/usr/local/bin/fence deadline=120\n\
            step = tell webhook:https://example.org/hook?a=b may_fail=true\ndeadline = 7\n";
        let steps = Configuration::of_text(text).steps().unwrap();
        let order = [("no_op", Place::First), ("fence", Place::Second), ("tell", Place::End)];
        assert_eq!(steps.auto.steps, order.map(|(step, place)| listed(step, place)));
        assert!(steps.auto.left_out.is_empty());
        assert_eq!(steps.process.steps, [listed("tell", Place::End)]);
        assert_eq!(steps.process.left_out, ["disable_compute_node_task"]);
        let (fence, tell) = (&steps.declared["fence"], &steps.declared["tell"]);
        assert_eq!((fence.deadline, fence.may_fail), (Duration::from_secs(120), false));
        assert_eq!((tell.deadline, tell.may_fail), (Duration::from_secs(7), true));
        assert!(matches!(&fence.does, Does::Program(path) if path.ends_with("fence")));
        assert!(matches!(tell.does, Does::Webhook(_)));
    }

    #[test]
    fn an_unknown_name_is_told_with_its_line_and_the_name_that_was_meant() {
        let flow = "[taskflow_driver_recovery_flows]\ninstance_failure_recovery_tasks = ";
        let post = ",main:[start_instance_task],post:[confirm_instance_active_task]\n";
        let begin = "masakari.conf:5: error: [taskflow_driver_recovery_flows] instance_failure_recovery_tasks";
        for (pre, expected) in [
            (
                "pre:[stop_instnce_task]",
                "names \"stop_instnce_task\", which is neither a task of this kind of recovery nor a \
                 declared step; did you mean \"stop_instance_task\"?",
            ),
            (
                "pre:[stop_instance_task,disable_compute_node_task]",
                "names \"disable_compute_node_task\", which is neither a task of this kind of recovery \
                 nor a declared step; [recovery_steps] step declares one",
            ),
            (
                "pre:[tel,stop_instance_task]",
                "names \"tel\", which is neither a task of this kind of recovery nor a declared step; \
                 did you mean \"tell\"?",
            ),
            (
                "pre:[tell,tell]",
                "names \"tell\" twice; a step that shall run twice is declared under two names",
            ),
            (
                "pre:[confirm_instance_active_task,stop_instance_task]",
                "has \"stop_instance_task\" after \"confirm_instance_active_task\": the built-in tasks \
                 keep their order",
            ),
            ("prae:[]", "has a list \"prae\"; there are pre, main and post"),
        ] {
            let text = format!("{flow}{pre}{post}[recovery_steps]\nstep = tell exec:/bin/true\n");
            assert_eq!(told(&text), [format!("{begin} {expected}")]);
        }
    }

    #[test]
    fn what_the_law_needs_cannot_be_left_out() {
        let of = |tasks: &str| {
            told(&format!(
                "[taskflow_driver_recovery_flows]\nhost_rh_failure_recovery_tasks = {tasks}"
            ))
        };
        assert_eq!(
            of("pre:[disable_compute_service_task],main:[evacuate_instances_task],post:[]"),
            [
                "masakari.conf:5: error: [taskflow_driver_recovery_flows] host_rh_failure_recovery_tasks has \
              \"evacuate_instances_task\" without \"prepare_HA_enabled_instances_task\": nothing is \
              evacuated that was not looked at before"
            ]
        );
        for safe in [
            "main:[prepare_HA_enabled_instances_task,evacuate_instances_task]",
            "pre:[disable_compute_service_task]",
            "pre:[],main:[],post:[]",
        ] {
            assert_eq!(of(safe), Vec::<String>::new());
        }
    }

    #[test]
    fn a_declaration_that_makes_no_sense_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        std::fs::write(&empty, "\n").unwrap();
        for (step, expected) in [
            ("a".to_owned(), "is not NAME exec:/path or NAME webhook:https://host/path"),
            ("a exec:bin/true".into(), "names \"bin/true\", which is no absolute path"),
            ("a python:x.y".into(), "has \"python:x.y\"; there are exec: and webhook:"),
            ("a webhook:ftp://x/y".into(), "names no http:// or https:// URL"),
            ("no_op exec:/bin/true".into(), "has a name that another step has"),
            ("start_instance_task exec:/bin/true".into(), "has the name of a built-in task"),
            ("a exec:/bin/true deadline=0".into(), "has a deadline that is not 1 to 3600 seconds"),
            ("a exec:/bin/true may_fail=1".into(), "has may_fail= with neither true nor false"),
            (
                "a exec:/bin/true --fast".into(),
                "has \"--fast\"; there are deadline=, may_fail= and secret_file=",
            ),
            (
                format!("a webhook:https://x/y secret_file={}", empty.display()),
                "has an empty secret_file",
            ),
        ] {
            let line =
                format!("masakari.conf:5: error: [recovery_steps] step = {step:?} {expected}");
            assert_eq!(told(&format!("[recovery_steps]\nstep = {step}\n")), [line]);
        }
    }
}
