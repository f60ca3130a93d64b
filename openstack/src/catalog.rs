//! Where a service is: Keystone's catalogue, and the ways in which its URLs are written.

use crate::{AskError, Interface};
use serde::Deserialize;
use url::Url;

/// How to find a service. What is not set here is taken from the [`AuthConfig`](crate::AuthConfig).
#[derive(Clone, Default, Debug)]
pub struct Service {
    /// Types in the catalogue, the preferred one first.
    pub types: Vec<String>,
    pub name: Option<String>,
    pub region: Option<String>,
    pub interface: Option<Interface>,
    /// Used as it stands instead of the catalogue.
    pub endpoint_override: Option<Url>,
    /// Appended to an endpoint that names no version, `v2.1` for example.
    pub version: &'static str,
    /// Its name before a microversion.
    pub api: &'static str,
}

/// Which part of a service's URL a path goes below. For `http://host/compute/v2.1/PROJECT`:
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Under {
    /// All of it.
    #[default]
    Endpoint,
    /// `http://host/compute/v2.1`
    Version,
    /// `http://host/compute`
    Root,
}

/// The services that a token's catalogue lists.
#[derive(Clone, Default, Deserialize, Debug)]
#[serde(transparent)]
pub(crate) struct Catalog(Vec<Entry>);

#[derive(Clone, Deserialize, Debug)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Clone, Deserialize, Debug)]
struct Endpoint {
    interface: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    region_id: Option<String>,
    url: String,
}

impl Catalog {
    /// The endpoint of `service`, by region and interface.
    pub(crate) fn find(
        &self,
        service: &Service,
        region: Option<&str>,
        interface: Interface,
    ) -> Result<Url, AskError> {
        let found = service.types.iter().find_map(|kind| {
            self.entries(kind, service.name.as_deref())
                .flat_map(|entry| &entry.endpoints)
                .find(|e| e.interface == interface.as_str() && region.is_none_or(|r| e.is_in(r)))
        });
        let Some(endpoint) = found else {
            return Err(self.missing(service, region, interface));
        };
        Url::parse(&endpoint.url).map_err(|e| AskError::Misconfigured {
            option: "an endpoint in Keystone's catalogue",
            why: format!("{:?}: {e}", endpoint.url),
        })
    }

    fn entries<'a>(
        &'a self,
        kind: &'a str,
        name: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Entry> {
        self.0.iter().filter(move |entry| {
            entry.kind == kind && name.is_none_or(|name| entry.name.as_deref() == Some(name))
        })
    }

    fn missing(&self, service: &Service, region: Option<&str>, interface: Interface) -> AskError {
        let mut known: Vec<String> = Vec::new();
        for entry in self.0.iter().filter(|entry| service.types.contains(&entry.kind)) {
            let name = entry.name.as_deref().unwrap_or("?");
            known.extend(entry.endpoints.iter().map(|e| {
                let region = e.region_id.as_ref().or(e.region.as_ref());
                format!("{name} {} in {}", e.interface, region.map_or("no region", |r| r))
            }));
        }
        if known.is_empty() {
            let types: Vec<&str> = self.0.iter().map(|entry| entry.kind.as_str()).collect();
            known.push(format!("only the types [{}]", types.join(", ")));
        }
        AskError::NoEndpoint {
            service: service.types.join(" or "),
            region: region.map_or_else(|| "any region".into(), |r| format!("region {r}")),
            interface: interface.to_string(),
            known: known.join(", "),
        }
    }
}

impl Endpoint {
    fn is_in(&self, region: &str) -> bool {
        self.region_id.as_deref() == Some(region) || self.region.as_deref() == Some(region)
    }
}

/// The URL of `path` at an endpoint. Each segment is escaped, so that an id out of somebody's
/// report cannot climb to another path.
pub(crate) fn url_of(
    endpoint: &Url,
    version: &str,
    under: Under,
    path: &[&str],
    query: &[(&str, &str)],
) -> Result<Url, AskError> {
    let mut segments: Vec<String> = endpoint
        .path_segments()
        .into_iter()
        .flatten()
        .filter(|s| !s.is_empty())
        .map(ToOwned::to_owned)
        .collect();
    let found = segments.iter().position(|segment| is_version(segment));
    match (under, found) {
        (Under::Endpoint, Some(_)) | (Under::Root, None) => {}
        (Under::Endpoint | Under::Version, None) => segments.push(version.to_owned()),
        (Under::Version, Some(at)) => segments.truncate(at + 1),
        (Under::Root, Some(at)) => segments.truncate(at),
    }
    let mut url = endpoint.clone();
    let base = format!("/{}", segments.join("/"));
    url.set_path(&base);
    url.set_query(None);
    url.path_segments_mut()
        .map_err(|()| AskError::Misconfigured {
            option: "an endpoint",
            why: format!("{endpoint} is not an HTTP URL"),
        })?
        .pop_if_empty()
        .extend(path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

/// `v3`, `v2.1`: what version discovery takes for a version.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit())
            && rest.chars().all(|c| c.is_ascii_digit() || c == '.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let text = r#"[
            {"type": "compute", "name": "nova", "id": "1", "endpoints": [
                {"id": "a", "interface": "public", "region": "R1", "region_id": "R1", "url": "http://one/v2.1"},
                {"id": "b", "interface": "internal", "region": "R1", "region_id": "R1", "url": "http://in/v2.1"},
                {"id": "c", "interface": "public", "region": "R2", "region_id": "R2", "url": "http://two/v2.1"}]},
            {"type": "ha", "name": "masakari", "endpoints": [
                {"interface": "public", "region": null, "region_id": "R1", "url": "http://ha/v1/p"}]}]"#;
        serde_json::from_str(text).unwrap()
    }

    fn compute() -> Service {
        Service { types: vec!["compute".into()], version: "v2.1", ..Service::default() }
    }

    #[test]
    fn region_and_interface_choose_the_endpoint() {
        let find = |region, interface| {
            catalog().find(&compute(), region, interface).map(|url| url.to_string())
        };
        assert_eq!(find(None, Interface::Public).unwrap(), "http://one/v2.1");
        assert_eq!(find(Some("R2"), Interface::Public).unwrap(), "http://two/v2.1");
        assert_eq!(find(Some("R1"), Interface::Internal).unwrap(), "http://in/v2.1");
    }

    #[test]
    fn a_missing_endpoint_says_what_there_is_instead() {
        let error = catalog().find(&compute(), Some("R2"), Interface::Admin).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("no admin endpoint of type compute in region R2"), "{said}");
        assert!(said.contains("nova public in R2"), "{said}");
    }

    #[test]
    fn an_old_type_is_found_by_its_alias() {
        let types = vec!["instance-ha".into(), "ha".into()];
        let service = Service { types, ..Service::default() };
        let found = catalog().find(&service, Some("R1"), Interface::Public).unwrap();
        assert_eq!(found.as_str(), "http://ha/v1/p");
    }

    #[test]
    fn a_path_goes_below_the_part_that_was_asked_for() {
        let below = |endpoint: &str, under| {
            let endpoint = Url::parse(endpoint).unwrap();
            url_of(&endpoint, "v1", under, &["a", "b"], &[("q", "x y")]).unwrap().to_string()
        };
        assert_eq!(below("http://h:1/ha/v1/p/", Under::Endpoint), "http://h:1/ha/v1/p/a/b?q=x+y");
        assert_eq!(below("http://h:1/ha/v1/p", Under::Version), "http://h:1/ha/v1/a/b?q=x+y");
        assert_eq!(below("http://h:1/ha/v1/p", Under::Root), "http://h:1/ha/a/b?q=x+y");
        assert_eq!(below("http://h:1", Under::Endpoint), "http://h:1/v1/a/b?q=x+y");
        assert_eq!(below("http://h:1/", Under::Root), "http://h:1/a/b?q=x+y");
    }

    #[test]
    fn an_id_cannot_climb_to_another_path() {
        let endpoint = Url::parse("http://h/v2.1").unwrap();
        let path = ["servers", "../os-services/x?y#z", "action"];
        let url = url_of(&endpoint, "v2.1", Under::Endpoint, &path, &[]).unwrap();
        assert_eq!(url.path(), "/v2.1/servers/..%2Fos-services%2Fx%3Fy%23z/action");
    }
}
