//! The configuration as operators and deployment tools write it.

use super::*;

fn file(text: &str) -> Source {
    Source::File { path: "masakari.conf".into(), text: text.to_owned() }
}

/// What `masakari config check` prints.
fn told(text: &str) -> Vec<String> {
    let told = Configuration::examine_sources(&[file(text)], Vec::new(), Reader::Services);
    told.iter().map(Told::to_string).collect()
}

/// The same, behind all that a role needs.
pub(super) fn told_of_a_role(text: &str) -> Vec<String> {
    told(&format!(
        "[DEFAULT]\nauth_strategy = noauth2\nos_privileged_user_auth_url = http://k\n{text}"
    ))
}

/// All that a role needs, in the first five lines.
const WHOLE: &str = "[keystone_authtoken]\nauth_url = http://127.0.0.1:5000\nusername = m\n\
    password = p\n[DEFAULT]\nos_privileged_user_auth_url = http://127.0.0.1:5000\n";

#[test]
fn the_reference_in_the_docs_is_current() {
    let checked_in = include_str!("../../../docs/options.md");
    assert!(
        checked_in.trim_end() == reference().trim_end(),
        "write it anew: cargo run -p masakari -- config reference > docs/options.md"
    );
}

#[test]
fn the_sample_is_a_file_in_which_nothing_is_wrong_and_everything_is_known() {
    let sample = sample();
    assert_eq!(told(&format!("{WHOLE}{sample}")), Vec::<String>::new());
    let is_setting = |line: &&str| line.starts_with('#') && !line.starts_with("# ");
    assert!(sample.lines().filter(is_setting).count() > 290);
    let set: String = sample
        .lines()
        .filter(|line| !line.contains("<None>") && !line.contains("<secret>"))
        .map(|line| if is_setting(&line) { &line[1..] } else { line })
        .flat_map(|line| [line, "\n"])
        .collect();
    let odd: Vec<String> = told(&format!("{WHOLE}{set}"))
        .into_iter()
        .filter(|line| !line.contains("has no effect") && !line.contains("is of no use without"))
        .collect();
    assert_eq!(odd, Vec::<String>::new());
}

#[test]
fn what_kolla_and_helm_write_is_accepted() {
    let text = "[coordination]\n\
        backend_url = etcd3+http://10.0.0.1:2379?api_version=v3?ca_cert=/etc/ssl/ca.crt\n\
        [oslo_messaging_rabbit]\nrabbit_quorum_queues = true\nheartbeat_in_pthread = false\n\
        [DEFAULT]\ndisable_ipmi_checks = false\nmasakari_api_listen = \"127.0.0.1\"\n\
        wait_period_after_evacuation = '90'\n[wsgi]\napi_paste_config = /etc/masakari/paste.ini\n";
    let told = told(&format!("{WHOLE}{text}"));
    assert!(told.iter().all(|line| line.contains(": warning: ")), "{told:#?}");
    let rabbit = "masakari.conf:10: warning: [oslo_messaging_rabbit] rabbit_quorum_queues is unknown \
        and has no effect; did you mean [oslo_messaging_rabbit] rabbit_quorum_queue?";
    assert!(told.iter().any(|line| line == rabbit), "{told:#?}");
    assert!(told.iter().any(|line| line.contains("masakari.conf:13: ")), "{told:#?}");
}

#[test]
fn ordered_restart_is_off_and_its_options_reach_the_engine() {
    let engine = |text: &str| Configuration::of_text(text).engine("machine").unwrap();
    let off = engine("");
    assert_eq!(off.tiers, recovery::tiers::Rules::default());
    assert_eq!(off.limits.tiers, recovery::tiers::Limits::default());
    let on = engine(
        "[DEFAULT]\nwait_period_after_power_on = 7\n[recovery]\nordered_restart = true\n\
         tier_metadata_key = t\ntier_flavor_key = f\ntier_image_key = i\ntier_timeout_s = 9\n\
         check_metadata_key = c\ncheck_networks = 192.0.2.0/24, 2001:db8::/32\n",
    );
    let keys = recovery::priority::Keys {
        metadata: "t".into(),
        flavor: "f".into(),
        image: "i".into(),
        aggregate: String::new(),
    };
    let texts = ["192.0.2.0/24".to_owned(), "2001:db8::/32".to_owned()];
    let networks = recovery::tiers::networks(&texts).unwrap();
    let check_key = "c".into();
    assert_eq!(on.tiers, recovery::tiers::Rules { on: true, keys, check_key, networks });
    assert_eq!((on.limits.tiers.tier_ms, on.limits.tiers.start_ms), (9_000, 7_000));
    let wrong = told(&format!("{WHOLE}[recovery]\ncheck_networks = 192.0.2.0/24, intern\n"));
    let mistake = "masakari.conf:8: error: [recovery] check_networks = \"intern\" is no network, such \
                   as 192.0.2.0/24";
    assert_eq!(wrong, [mistake]);
}

/// Every option of a recovery with a value that is not its default: one that is read from elsewhere, or not at all, is seen here.
#[test]
fn the_options_of_recoveries_reach_the_engine() {
    let of = |text: &str| Configuration::of_text(text).engine("machine").unwrap();
    let set = of(
        "[DEFAULT]\nwait_period_after_evacuation = 11\nwait_period_after_power_off = 12\n\
        wait_period_after_power_on = 13\nwait_period_after_service_update = 14\n\
        notifications_expired_interval = 900\nhost_failure_recovery_threads = 16\n\
        [host_failure]\nha_enabled_instance_metadata_key = host_key\nevacuate_all_instances = false\n\
        ignore_instances_in_error_state = true\nadd_reserved_host_to_aggregate = true\n\
        service_disable_reason = dead\n\
        [instance_failure]\nha_enabled_instance_metadata_key = vm_key\nprocess_all_instances = true\n\
        [process_failure]\nservice_disable_reason = ended\n\
        [recovery]\nauto_within_segment = true\nquarantine_deaths = 7\nquarantine_window = 71\n\
        instance_restart_limit = 8\ninstance_restart_window = 81\ncapacity_wait = 91\n\
        [ha]\nlease_seconds = 21\nnova_calls = 22\n",
    );
    let selection = &set.selection;
    assert_eq!(selection.ha_key, "host_key");
    assert_eq!((selection.evacuate_all, selection.ignore_error), (false, true));
    assert_eq!((set.reserved_into_aggregates, set.within_segment), (true, true));
    assert_eq!((&set.disable_reason[..], &set.process_disable_reason[..]), ("dead", "ended"));
    let limits = &set.limits;
    assert_eq!((limits.arrival_ms, limits.stop_ms, limits.expiry_ms), (11_000, 12_000, 900_000));
    assert_eq!((limits.on_their_way, limits.capacity_wait_ms), (Some(16), 91_000));
    assert_eq!((set.quarantine.deaths, set.quarantine.window_ms), (7, 71_000));
    let restart = &set.restart;
    assert_eq!((&restart.ha_key[..], restart.all), ("vm_key", true));
    assert_eq!((restart.restarts_most, restart.window_ms), (8, 81_000));
    let (of_vm, of_process) = (&set.restart_limits, &set.process_limits);
    assert_eq!((of_vm.stop_ms, of_vm.start_ms, of_vm.expiry_ms), (12_000, 13_000, 900_000));
    assert_eq!((of_process.confirm_ms, of_process.expiry_ms), (14_000, 900_000));
    assert_eq!((set.lease_term, set.calls_most), (std::time::Duration::from_secs(21), 22));
    // Nothing of that is a default, or the test would show nothing.
    let unset = of("");
    assert!(unset.selection.evacuate_all && !unset.selection.ignore_error && !unset.restart.all);
    assert!(!unset.reserved_into_aggregates && !unset.within_segment);
    assert_eq!(unset.limits.on_their_way, None);
    assert_eq!(
        (&unset.selection.ha_key[..], &unset.restart.ha_key[..]),
        ("HA_Enabled", "HA_Enabled")
    );
}

#[test]
fn every_mistake_is_told_at_once_with_its_file_and_line_and_what_was_expected() {
    let text = "[DEFAULT]\nmasakari_api_listen_port = 99999\nnova_catalog_admin_info = nova\n\
        wait_perod_after_evacuation = 5\nlogdir = /var/log/masakari\nlog_dir = /var/log\n\
        notification_delay_max = 3\n\
        [database]\nconnection = oracle://u:hunter2@h/d\n\
        [keystone_authtoken]\ninterface = inside\nauth_type = v3oidc\n[wsgi]\ntcp_keepidle = soon\n";
    assert_eq!(
        told(text),
        [
            "error: [DEFAULT] os_privileged_user_auth_url is not set: where is Keystone?",
            "error: [keystone_authtoken] auth_url is not set: who shall validate tokens? (for a \
             test without Keystone: [DEFAULT] auth_strategy = noauth2)",
            "masakari.conf:2: error: [DEFAULT] masakari_api_listen_port = \"99999\" must be a whole \
             number from 1 to 65535",
            "masakari.conf:3: error: [DEFAULT] nova_catalog_admin_info = \"nova\" is not \
             type:name:interface, such as compute:nova:publicURL",
            "masakari.conf:4: warning: [DEFAULT] wait_perod_after_evacuation is unknown and has no \
             effect; did you mean [DEFAULT] wait_period_after_evacuation?",
            "masakari.conf:5: warning: [DEFAULT] log_dir is set too and wins over [DEFAULT] logdir, \
             its old name; remove the old one",
            "masakari.conf:7: warning: [DEFAULT] notification_delay_max is accepted and has no \
             effect: duplicates are found exactly here, without a delay",
            "masakari.conf:9: error: [database] connection is wrong: the database URL starts with a \
             backend other than mysql, mariadb, postgresql and sqlite",
            "masakari.conf:12: error: [keystone_authtoken] auth_type = \"v3oidc\" must be one of: \
             password, v3password, v3applicationcredential",
            "masakari.conf:14: warning: [wsgi] tcp_keepidle = \"soon\" must be a whole number; it has no \
             effect here, but Python would fail",
            "masakari.conf:14: warning: [wsgi] tcp_keepidle is accepted and has no effect: it is \
             about the server that Python brings along",
        ]
    );
}
