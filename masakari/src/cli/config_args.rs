//! Where the configuration is, and the options of the log that oslo.log takes on the command line.
//!
//! Written by hand, because the order among `--config-file` and `--config-dir` counts: what comes
//! later wins, whichever it is.

use crate::config::Asked;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use oslo::config::Location;
use std::path::PathBuf;

/// Arguments of every role that reads the configuration.
#[derive(Clone, Default, Debug)]
pub(crate) struct ConfigArgs(pub(crate) Asked);

const FILE: &str = "config-file";
const DIR: &str = "config-dir";

/// Name, the name that says no, help.
const FLAGS: [(&str, &str, &str); 5] = [
    ("debug", "nodebug", "Log what is asked of whom"),
    ("use-syslog", "nouse-syslog", "Log to the system's syslog"),
    ("use-journal", "nouse-journal", "Log to systemd's journal"),
    ("use-json", "nouse-json", "Log each line as a JSON object"),
    ("watch-log-file", "nowatch-log-file", "Is always so: a log file that is moved is made anew"),
];
/// Name, other names, help.
const TEXTS: [(&str, &[&str], &str); 5] = [
    ("log-file", &["logfile"], "Log to this file"),
    ("log-dir", &["logdir"], "The folder of the log"),
    ("log-date-format", &[], "How times are written in the log"),
    ("syslog-log-facility", &[], "The facility of syslog"),
    ("log-config-append", &["log-config", "log_config"], "Has no effect"),
];

impl Args for ConfigArgs {
    fn augment_args(command: Command) -> Command {
        let path = |name: &'static str, value: &'static str, help: &'static str| {
            let arg = Arg::new(name).long(name).value_name(value).help(help).global(true);
            arg.value_parser(value_parser!(PathBuf)).action(ArgAction::Append)
        };
        let flags = FLAGS.map(|(name, not, help)| {
            let arg = Arg::new(name).long(name).help(help).overrides_with(not);
            let arg = if name == "debug" { arg.short('d') } else { arg.hide(true) };
            arg.action(ArgAction::SetTrue).global(true)
        });
        let not_flags = FLAGS.map(|(name, not, _)| {
            let arg = Arg::new(not).long(not).overrides_with(name).hide(true);
            arg.action(ArgAction::SetTrue).global(true)
        });
        let texts = TEXTS.map(|(name, aliases, help)| {
            let arg = Arg::new(name).long(name).aliases(aliases.iter().copied()).help(help);
            arg.action(ArgAction::Set).global(true).hide(name != "log-file")
        });
        command
            .arg(path(FILE, "FILE", "A configuration file; may be repeated, the later wins"))
            .arg(path(DIR, "DIR", "A folder of `*.conf` files; may be repeated"))
            .args(flags)
            .args(not_flags)
            .args(texts)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ConfigArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut named = locations(matches, FILE, Location::File);
        named.extend(locations(matches, DIR, Location::Dir));
        named.sort_by_key(|(at, _)| *at);
        let setting = |name: &str, value: &str| {
            ("DEFAULT".to_owned(), name.replace('-', "_"), value.to_owned())
        };
        let mut settings = Vec::new();
        for (name, not, _) in FLAGS {
            for (flag, value) in [(name, "true"), (not, "false")] {
                settings.extend(matches.get_flag(flag).then(|| setting(name, value)));
            }
        }
        for (name, _, _) in TEXTS {
            settings.extend(matches.get_one::<String>(name).map(|value| setting(name, value)));
        }
        let named = named.into_iter().map(|(_, location)| location).collect();
        Ok(Self(Asked { named, settings }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn locations(
    matches: &ArgMatches,
    name: &str,
    kind: fn(PathBuf) -> Location,
) -> Vec<(usize, Location)> {
    let at = matches.indices_of(name).into_iter().flatten();
    let paths = matches.get_many::<PathBuf>(name).into_iter().flatten().cloned();
    at.zip(paths.map(kind)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Asked {
        let command = ConfigArgs::augment_args(Command::new("x")).subcommand(Command::new("db"));
        let matches = command.try_get_matches_from(line.split(' ')).unwrap();
        ConfigArgs::from_arg_matches(&matches).unwrap().0
    }

    #[test]
    fn files_and_folders_of_the_configuration_keep_their_order() {
        let file = |name: &str| Location::File(name.into());
        let dir = || Location::Dir("d".into());
        let named = asked("x --config-file a --config-dir d --config-file=b").named;
        assert_eq!(named, [file("a"), dir(), file("b")]);
        assert_eq!(asked("x db --config-dir d --config-file a").named, [dir(), file("a")]);
        assert_eq!(asked("x").named, []);
    }

    #[test]
    fn options_of_the_log_are_those_of_oslo_log() {
        let settings = |line| {
            let settings = asked(line).settings.into_iter();
            settings.map(|(_, name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(settings("x -d --logfile /l"), "debug=true log_file=/l");
        assert_eq!(settings("x --debug --nodebug db --use-json"), "debug=false use_json=true");
        assert_eq!(settings("x --log-dir /l --log_config c"), "log_dir=/l log_config_append=c");
    }
}
