//! Who may do what: Masakari's rules and our own, with their defaults.

use crate::{auth::Caller, fault::Fault};
use http::StatusCode;
use oslo::policy::{Creds, Decision, Enforcer, RuleDefault};
use std::collections::BTreeMap;

const ADMIN: &str = "rule:admin_api";

/// Every rule that is asked, for [`Enforcer::new`].
pub const RULES: &[RuleDefault] = &[
    rule("context_is_admin", "role:admin", "Decides what makes a caller an administrator"),
    rule("admin_or_owner", "is_admin:True or project_id:%(project_id)s", "For overrides to use"),
    rule("admin_api", "is_admin:True", "The default of all the others"),
    rule("os_masakari_api:extensions:index", ADMIN, "GET /extensions"),
    rule("os_masakari_api:extensions:detail", ADMIN, "GET /extensions/{alias}"),
    rule("os_masakari_api:extensions:discoverable", ADMIN, "Kept for existing files"),
    rule("os_masakari_api:os-hosts:index", ADMIN, "GET /segments/{segment}/hosts"),
    rule("os_masakari_api:os-hosts:detail", ADMIN, "GET /segments/{segment}/hosts/{host}"),
    rule("os_masakari_api:os-hosts:create", ADMIN, "POST /segments/{segment}/hosts"),
    rule("os_masakari_api:os-hosts:update", ADMIN, "PUT /segments/{segment}/hosts/{host}"),
    rule("os_masakari_api:os-hosts:delete", ADMIN, "DELETE /segments/{segment}/hosts/{host}"),
    rule("os_masakari_api:os-hosts:discoverable", ADMIN, "Kept for existing files"),
    rule("os_masakari_api:segments:index", ADMIN, "GET /segments"),
    rule("os_masakari_api:segments:detail", ADMIN, "GET /segments/{segment}"),
    rule("os_masakari_api:segments:create", ADMIN, "POST /segments"),
    rule("os_masakari_api:segments:update", ADMIN, "PUT /segments/{segment}"),
    rule("os_masakari_api:segments:delete", ADMIN, "DELETE /segments/{segment}"),
    rule("os_masakari_api:segments:discoverable", ADMIN, "Kept for existing files"),
    rule("os_masakari_api:notifications:index", ADMIN, "GET /notifications"),
    rule("os_masakari_api:notifications:detail", ADMIN, "GET /notifications/{notification}"),
    rule("os_masakari_api:notifications:create", ADMIN, "POST /notifications"),
    rule("os_masakari_api:notifications:discoverable", ADMIN, "Kept for existing files"),
    rule("os_masakari_api:vmoves:index", ADMIN, "GET /notifications/{notification}/vmoves"),
    rule(
        "os_masakari_api:vmoves:detail",
        ADMIN,
        "GET /notifications/{notification}/vmoves/{vmove}",
    ),
    rule("os_masakari_api:vmoves:discoverable", ADMIN, "Kept for existing files"),
    rule("os_masakari_api:versions:index", "@", "Kept for existing files: versions are for all"),
    rule("os_masakari_api:versions:discoverable", "@", "Kept for existing files"),
    rule(
        "ha:hosts:confirm_dead",
        ADMIN,
        "POST /ha/v1/hosts/{host}/confirm-dead: whoever may attest a death can have a live host's VMs \
         started a second time",
    ),
    rule(
        "ha:hosts:attest",
        ADMIN,
        "POST /ha/v1/hosts/{host}/evidence: as above; give the reporter's user a role of its own, and name it here \
         (\"rule:admin_api or role:masakari_attest\")",
    ),
    rule("ha:hosts:evidence", ADMIN, "GET /ha/v1/hosts/{host}/evidence"),
    rule("ha:hosts:plan", ADMIN, "GET /ha/v1/hosts/{host}/plan: what would become of its VMs"),
    rule(
        "ha:reports",
        ADMIN,
        "POST /ha/v1/reports, and GET /ha/v1/reports/{request}: how many hosts each segment may lose",
    ),
    rule("ha:hosts:recover", ADMIN, "POST /ha/v1/hosts/{host}/recover: reports its failure"),
    rule(
        "ha:hosts:return",
        ADMIN,
        "POST /ha/v1/hosts/{host}/return: brings it back to service, and switches it on",
    ),
    rule(
        "ha:hosts:may_start",
        ADMIN,
        "GET /ha/v1/hosts/{host}/may-start: whether a recovery of it is under way; a host's agent asks it",
    ),
    rule(
        "ha:hosts:guests",
        ADMIN,
        "POST /ha/v1/hosts/{host}/guests: which guest agents answer there; a host's monitor says it",
    ),
    rule(
        "ha:hosts:identify",
        ADMIN,
        "POST /ha/v1/hosts/{host}/identity: which machine it is; a host's agent says it",
    ),
    rule("ha:hosts:identity", ADMIN, "GET /ha/v1/hosts/{host}/identity: which machine it is"),
    rule("ha:returns:index", ADMIN, "GET /ha/v1/returns, and GET /ha/v1/hosts/{host}/return"),
    rule(
        "ha:hosts:fence_test",
        ADMIN,
        "POST /ha/v1/hosts/{host}/fence-test: switches an empty host off and on again",
    ),
    rule("ha:fencing:index", ADMIN, "GET /ha/v1/fencing: which hosts could be fenced now"),
    rule("ha:notifications:retry", ADMIN, "POST /ha/v1/notifications/{notification}/retry"),
    rule("ha:notifications:cancel", ADMIN, "POST /ha/v1/notifications/{notification}/cancel"),
    rule(
        "ha:notifications:certificate",
        ADMIN,
        "GET /ha/v1/notifications/{notification}/certificate: why its host was held for dead",
    ),
    rule(
        "ha:notifications:approve",
        ADMIN,
        "POST /ha/v1/notifications/{notification}/approve: it begins though many hosts are lost at once",
    ),
    rule("ha:notifications:reject", ADMIN, "POST /ha/v1/notifications/{notification}/reject"),
    rule("ha:stops:index", ADMIN, "GET /ha/v1/stops: which hosts are away as planned"),
    rule(
        "ha:stops:create",
        ADMIN,
        "POST /ha/v1/hosts/{host}/stop: for a while it is no failure that it is away",
    ),
    rule("ha:stops:delete", ADMIN, "POST /ha/v1/hosts/{host}/resume: its failure is one again"),
    rule("ha:guard:detail", ADMIN, "GET /ha/v1/guard: the switch, and the hosts that are lost"),
    rule("ha:guard:disarm", ADMIN, "POST /ha/v1/guard/disarm: nothing is begun any more"),
    rule("ha:guard:arm", ADMIN, "POST /ha/v1/guard/arm: what is held by that goes on"),
    rule(
        "ha:notifications:explain",
        ADMIN,
        "GET /ha/v1/notifications/{notification}/explain: why a recovery failed or stands still",
    ),
    rule("ha:requests:detail", ADMIN, "GET /ha/v1/requests/{request}"),
];

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> RuleDefault {
    RuleDefault { name, check, scopes: &[], description, old: None }
}

/// Whether `caller` may do what `rule` guards.
pub(crate) fn can(enforcer: &Enforcer, caller: &Caller, rule: &str) -> Result<(), Fault> {
    let target: BTreeMap<String, String> = [
        ("project_id", caller.project_id.clone().unwrap_or_default()),
        ("user_id", caller.user_id.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let creds = caller.creds();
    let is_admin = caller.trusted
        || enforcer.enforce("context_is_admin", &target, &creds) == Decision::Allowed;
    match enforcer.enforce(rule, &target, &creds.with("is_admin", is_admin)) {
        Decision::Allowed => Ok(()),
        Decision::Denied(why) => {
            let message = format!("Policy doesn't allow {rule} to be performed.");
            Err(Fault::new(StatusCode::FORBIDDEN, message).because(why))
        }
    }
}

impl Caller {
    fn creds(&self) -> Creds {
        Creds::default()
            .with("user_id", self.user_id.clone())
            .with("user_name", self.user_name.clone())
            .with("project_id", self.project_id.clone())
            .with("domain_id", self.domain_id.clone())
            .with("system_scope", self.system_scope.clone())
            .with("roles", self.roles.clone())
    }
}
