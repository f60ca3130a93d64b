//! What to try next: lines to copy, for those who have the `openstack` client and for those who have not.

use super::Place;
use recovery::{HostName, NotificationId};
use sim::PASSWORD;

/// Everything, once.
pub(super) fn all(place: &Place, notification: Option<&NotificationId>) -> String {
    let id = notification.map_or("ID", NotificationId::as_str);
    let (cloud, api) = (&place.cloud, &place.api);
    format!(
        r#"In another terminal, with python-openstackclient and python-masakariclient:

  export OS_AUTH_URL={cloud}/identity OS_IDENTITY_API_VERSION=3
  export OS_USERNAME=admin OS_PASSWORD={PASSWORD} OS_PROJECT_NAME=admin
  export OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default
  openstack compute service list
  openstack server list --all-projects --long -c Name -c Status -c Host -c Properties
  openstack segment host list demo
  openstack notification list
  openstack notification show -f yaml {id}
  openstack notification vmove list {id}

The same without them:

  TOKEN=$(curl -si {cloud}/identity/v3/auth/tokens -H 'Content-Type: application/json' -d '
    {{"auth": {{"identity": {{"methods": ["password"], "password": {{"user": {{"name": "admin",
     "password": "{PASSWORD}", "domain": {{"name": "Default"}}}}}}}},
     "scope": {{"project": {{"name": "admin", "domain": {{"name": "Default"}}}}}}}}}}' |
    tr -d '\r' | awk 'tolower($1) == "x-subject-token:" {{print $2}}')
  curl -s -H "X-Auth-Token: $TOKEN" '{cloud}/compute/v2.1/os-services?binary=nova-compute'
  curl -s -H "X-Auth-Token: $TOKEN" '{cloud}/compute/v2.1/servers/detail?all_tenants=1'
  curl -s -H "X-Auth-Token: $TOKEN" {api}/v1/notifications
  curl -s -H "X-Auth-Token: $TOKEN" -H 'OpenStack-API-Version: instance-ha 1.3' \
    {api}/v1/notifications/{id}
  curl -s -H "X-Auth-Token: $TOKEN" -H 'OpenStack-API-Version: instance-ha 1.3' \
    {api}/v1/notifications/{id}/vmoves

The log of API and engine: {log}"#,
        log = place.log,
    )
}

/// How to go on, after every recovery.
pub(super) fn next(place: &Place, dead: &HostName, next: Option<&HostName>) -> String {
    let cloud = &place.cloud;
    let fail = match next {
        Some(host) => format!(
            "  Enter, or curl -X POST {cloud}/demo/hosts/{host}/fail\n      {host} loses its power\n"
        ),
        None => "  (No other host may fail: return one first.)\n".to_owned(),
    };
    format!(
        "{fail}  r and Enter, or curl -X POST {cloud}/demo/hosts/{dead}/return
      {dead} gets its power back and goes into service again, as a person does it:
        openstack segment host update --on_maintenance False demo {dead}
        openstack compute service set --enable {dead} nova-compute
  q and Enter, or Ctrl-C
      the end; nothing is left behind"
    )
}
