//! Which resource a path below `/v1` means, and what is to be done to it.
//!
//! Masakari's routes are Rails-like: a resource answers 404 to a method that no route has and 405 to
//! a route that its controller does not serve; `new` and `edit` are routes, `.json` may follow,
//! and everything may stand below a project's id. Pure, and one table, so that it can be read whole.

use crate::query::decode;
use http::Method;

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Route {
    /// The project in the path, which must be the caller's.
    pub(crate) project: Option<String>,
    pub(crate) resource: Resource,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Resource {
    /// The version document.
    Root,
    Segments(Action),
    Hosts {
        segment: String,
        action: Action,
    },
    Notifications(Action),
    VMoves {
        notification: String,
        action: Action,
    },
    Extensions(Action),
    Versions(Action),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Index,
    Create,
    New,
    Show(String),
    Update(String),
    Delete(String),
    Edit,
    Act,
}

impl Action {
    /// Its name in Masakari's 405.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Create => "create",
            Self::New => "new",
            Self::Show(_) => "show",
            Self::Update(_) => "update",
            Self::Delete(_) => "delete",
            Self::Edit => "edit",
            Self::Act => "action",
        }
    }

    fn of(method: &Method, rest: &[&str]) -> Option<Self> {
        match (method.as_str(), rest) {
            ("GET", []) => Some(Self::Index),
            ("POST", []) => Some(Self::Create),
            ("GET", ["new"]) => Some(Self::New),
            ("GET", [id, "edit"]) if !id.is_empty() => Some(Self::Edit),
            (_, [""]) => None,
            ("GET", [id]) => Some(Self::Show((*id).to_owned())),
            ("PUT", [id]) => Some(Self::Update((*id).to_owned())),
            ("DELETE", [id]) => Some(Self::Delete((*id).to_owned())),
            _ => None,
        }
    }
}

impl Route {
    /// The route of `path`, which is what follows `/v1`, still percent-encoded.
    pub(crate) fn find(method: &Method, path: &str) -> Option<Self> {
        if path.is_empty() || path == "/" {
            let root = Self { project: None, resource: Resource::Root };
            return (method == Method::GET).then_some(root);
        }
        let path = String::from_utf8_lossy(&decode(path.strip_prefix('/')?)).into_owned();
        let path =
            path.strip_suffix(".json").or_else(|| path.strip_suffix(".xml")).unwrap_or(&path);
        let parts: Vec<&str> = path.split('/').collect();
        if let Some(resource) = Resource::find(method, &parts) {
            return Some(Self { project: None, resource });
        }
        let (project, parts) = parts.split_first()?;
        let hexadecimal = |c: char| matches!(c, '0'..='9' | 'a'..='f' | '-');
        let is_project = !project.is_empty() && project.chars().all(hexadecimal);
        let resource = Resource::find(method, parts).filter(|_| is_project)?;
        Some(Self { project: Some((*project).to_owned()), resource })
    }
}

impl Resource {
    fn find(method: &Method, parts: &[&str]) -> Option<Self> {
        let action = |rest| Action::of(method, rest);
        let acts = |id: &str| method == Method::POST && !id.is_empty();
        match parts {
            ["segments", id, "action"] if acts(id) => Some(Self::Segments(Action::Act)),
            ["notifications", id, "action"] if acts(id) => Some(Self::Notifications(Action::Act)),
            ["segments", segment, "hosts", rest @ ..] if !segment.is_empty() => {
                Some(Self::Hosts { segment: (*segment).to_owned(), action: action(rest)? })
            }
            ["notifications", id, "vmoves", rest @ ..] if !id.is_empty() => {
                Some(Self::VMoves { notification: (*id).to_owned(), action: action(rest)? })
            }
            ["segments", rest @ ..] => action(rest).map(Self::Segments),
            ["notifications", rest @ ..] => action(rest).map(Self::Notifications),
            ["extensions", rest @ ..] => action(rest).map(Self::Extensions),
            ["versions", rest @ ..] => action(rest).map(Self::Versions),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(method: &str, path: &str) -> Option<Resource> {
        Route::find(&method.parse().unwrap(), path).map(|route| route.resource)
    }

    #[test]
    fn a_project_may_stand_before_everything_but_the_root() {
        let route = Route::find(&Method::GET, "/0af3/segments/7").unwrap();
        assert_eq!(route.project.as_deref(), Some("0af3"));
        assert_eq!(route.resource, Resource::Segments(Action::Show("7".into())));
        assert_eq!(find("GET", "/0af3"), None);
        assert_eq!(find("GET", "/xyz/segments"), None);
    }

    #[test]
    fn a_method_without_a_route_finds_nothing() {
        for (method, path) in [
            ("PATCH", "/segments"),
            ("HEAD", "/segments"),
            ("POST", "/segments/7"),
            ("DELETE", "/segments"),
            ("GET", "/segments/"),
            ("GET", "/segments/7/"),
            ("POST", "/"),
        ] {
            assert_eq!(find(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn hosts_and_vmoves_are_found_below_their_parents() {
        let hosts = |action| Some(Resource::Hosts { segment: "s".into(), action });
        assert_eq!(find("GET", "/segments/s/hosts.json"), hosts(Action::Index));
        assert_eq!(find("PUT", "/segments/s/hosts/h"), hosts(Action::Update("h".into())));
        assert_eq!(find("GET", "/segments/s/hosts/h/edit"), hosts(Action::Edit));
        let vmoves = Resource::VMoves { notification: "n".into(), action: Action::Index };
        assert_eq!(find("GET", "/notifications/n/vmoves"), Some(vmoves));
    }

    #[test]
    fn an_id_is_decoded_even_if_it_is_no_utf_8() {
        let show = |id: &str| Some(Resource::Segments(Action::Show(id.into())));
        assert_eq!(find("GET", "/segments/%E6%97%A5"), show("日"));
        assert_eq!(find("GET", "/segments/%ff"), show("\u{fffd}"));
    }
}
