//! oslo.log's options.

use oslo::config::{Kind, Opt};

use super::why::{NO_NOTIFICATIONS, PYTHON};

pub(super) const OPTIONS: &[Opt] = &[
    Opt::new("DEFAULT", "debug", Kind::Bool).default("false").help("Log what is asked of whom"),
    Opt::new("DEFAULT", "default_log_levels", Kind::List).default("amqp=WARN,boto=WARN,sqlalchemy=WARN,suds=INFO,oslo.messaging=INFO,oslo_messaging=INFO,iso8601=WARN,requests.packages.urllib3.connectionpool=WARN,urllib3.connectionpool=WARN,websocket=WARN,requests.packages.urllib3.util.retry=WARN,urllib3.util.retry=WARN,keystonemiddleware=WARN,routes.middleware=WARN,stevedore=WARN,taskflow=WARN,keystoneauth=WARN,oslo.cache=INFO,oslo_policy=INFO,dogpile.core.dogpile=INFO").help("Levels of parts, as part=LEVEL; Python's names of what has a counterpart here are understood"),
    Opt::new("DEFAULT", "log_color", Kind::Bool).default("false").help("Fill in %(color)s on standard output or error"),
    Opt::new("DEFAULT", "log_date_format", Kind::Str).default("%Y-%m-%d %H:%M:%S").help("How %(asctime)s is written, in the words of strftime"),
    Opt::new("DEFAULT", "log_dir", Kind::Str).deprecated(&[("DEFAULT", "logdir")]).help("The folder of the log; without log_file the file is called as the program"),
    Opt::new("DEFAULT", "log_file", Kind::Str).deprecated(&[("DEFAULT", "logfile")]).help("The file to log to, in log_dir if it has no folder of its own"),
    Opt::new("DEFAULT", "log_rotate_interval", Kind::at_least(0)).default("1").help("How many of log_rotate_interval_type pass until the file is rotated; the day of the week, 0 for Monday, for weekday"),
    Opt::new("DEFAULT", "log_rotate_interval_type", Kind::Str).default("days").choices(&["Seconds", "Minutes", "Hours", "Days", "Weekday", "Midnight"]).any_case().help("The unit of log_rotate_interval"),
    Opt::new("DEFAULT", "log_rotation_type", Kind::Str).default("none").choices(&["interval", "size", "none"]).any_case().help("Whether the file is rotated here: by time, by size, or not; a file that another program moves is made anew"),
    Opt::new("DEFAULT", "logging_context_format_string", Kind::Str).default("%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [%(global_request_id)s %(request_id)s %(user_identity)s] %(instance)s%(message)s").help("A line about a request"),
    Opt::new("DEFAULT", "logging_debug_format_suffix", Kind::Str).default("%(funcName)s %(pathname)s:%(lineno)d").help("What is added to a line of level DEBUG"),
    Opt::new("DEFAULT", "logging_default_format_string", Kind::Str).default("%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [-] %(instance)s%(message)s").help("A line about anything else"),
    Opt::new("DEFAULT", "logging_user_identity_format", Kind::Str).default("%(user)s %(project)s %(domain)s %(system_scope)s %(user_domain)s %(project_domain)s").help("What %(user_identity)s stands for"),
    Opt::new("DEFAULT", "max_logfile_count", Kind::at_least(0)).default("30").help("How many rotated files are kept; 0: none is rotated"),
    Opt::new("DEFAULT", "max_logfile_size_mb", Kind::at_least(0)).default("200").help("At how many MiB the file is rotated"),
    Opt::new("DEFAULT", "rate_limit_burst", Kind::INT).default("0").help("How many lines may be logged in that time; 0: no limit"),
    Opt::new("DEFAULT", "rate_limit_except_level", Kind::Str).default("CRITICAL").choices(&["CRITICAL", "ERROR", "INFO", "WARNING", "DEBUG", ""]).help("This level and above have no limit"),
    Opt::new("DEFAULT", "rate_limit_interval", Kind::INT).default("0").help("Seconds for which lines are counted; 0: no limit"),
    Opt::new("DEFAULT", "syslog_log_facility", Kind::Str).default("LOG_USER").help("The facility of syslog and journal"),
    Opt::new("DEFAULT", "use_journal", Kind::Bool).default("false").help("Log to systemd's journal, with the fields of a line apart"),
    Opt::new("DEFAULT", "use_json", Kind::Bool).default("false").help("Log each line as a JSON object"),
    Opt::new("DEFAULT", "use_stderr", Kind::Bool).default("false").help("Log to standard error, besides other places"),
    Opt::new("DEFAULT", "use_syslog", Kind::Bool).default("false").help("Log to the system's syslog"),
    Opt::new("DEFAULT", "fatal_deprecations", Kind::Bool).default("false").ignored(PYTHON),
    Opt::new("DEFAULT", "instance_format", Kind::Str).default("[instance: %(uuid)s] ").ignored("no line belongs to one VM only"),
    Opt::new("DEFAULT", "instance_uuid_format", Kind::Str).default("[instance: %(uuid)s] ").ignored("no line belongs to one VM only"),
    Opt::new("DEFAULT", "log_config_append", Kind::Str).deprecated(&[("DEFAULT", "log_config")]).ignored("a configuration of Python's logging module; the other options of the log are used"),
    Opt::new("DEFAULT", "log_options", Kind::Bool).default("true").ignored("the configuration holds passwords and is not written to the log"),
    Opt::new("DEFAULT", "logging_exception_prefix", Kind::Str).default("%(asctime)s.%(msecs)03d %(process)d ERROR %(name)s %(instance)s").ignored(PYTHON),
    Opt::new("DEFAULT", "publish_errors", Kind::Bool).default("false").ignored(NO_NOTIFICATIONS),
];
