//! `/extensions`: a list that never changes but for what the policy hides, kept because clients may read it.

use crate::{
    ask::{Ask, Reply},
    fault::Fault,
    route::Action,
};
use serde_json::{Value, json};

/// Name, alias and description.
const EXTENSIONS: &[(&str, &str, &str)] = &[
    ("Extensions", "extensions", "Extension information."),
    ("Notifications", "notifications", "Notifications support."),
    ("Hosts", "os-hosts", "Hosts controller"),
    ("Segments", "segments", "Segments Extension."),
    ("Versions", "versions", "API Version information."),
    ("vmoves", "vmoves", "vmoves controller"),
];

pub(crate) fn answer(ask: &Ask, action: Action) -> Result<Reply, Fault> {
    match action {
        Action::Index => {
            ask.can("os_masakari_api:extensions:index")?;
            let shown = EXTENSIONS.iter().filter(|extension| is_shown(ask, extension));
            let all: Vec<Value> = shown.map(view).collect();
            Reply::ok(&json!({ "extensions": all }))
        }
        Action::Show(wanted) => {
            ask.can("os_masakari_api:extensions:detail")?;
            let found = EXTENSIONS.iter().find(|(_, alias, _)| *alias == wanted);
            let found = found.filter(|extension| is_shown(ask, extension));
            let found =
                found.ok_or_else(|| Fault::not_found("The resource could not be found."))?;
            Reply::ok(&json!({ "extension": view(found) }))
        }
        Action::Create
        | Action::New
        | Action::Update(_)
        | Action::Delete(_)
        | Action::Edit
        | Action::Act => Err(Fault::not_allowed(&ask.method, &action)),
    }
}

/// Each has a rule of its own that says who may know of it.
fn is_shown(ask: &Ask, (_, alias, _): &(&str, &str, &str)) -> bool {
    ask.can(&format!("os_masakari_api:{alias}:discoverable")).is_ok()
}

fn view((name, alias, description): &(&str, &str, &str)) -> Value {
    json!({
        "name": name,
        "alias": alias,
        "description": description,
        "namespace": "",
        "updated": "",
        "links": [],
    })
}
