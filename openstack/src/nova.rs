//! Nova: what recovery reads of servers and compute services, and the few things that it changes.
//!
//! Lists are never shorter than the truth without saying so: every page is fetched, and an answer that
//! lacks a cell of Nova, or fields that the policy hides, is an error.

mod aggregates;
mod evacuations;
mod failures;
mod foresight;
mod images;
mod own_writes;
mod requests;
mod servers;
mod services;
mod version;

pub use aggregates::HostAggregate;
pub use failures::Failure;
pub use foresight::{Inventory, ServerGroup};
pub use requests::MayRun;
pub use servers::Cursor;

use crate::{
    AskError, Asked, Interface, Repeat, Reply, Request, Service, Session, flight::Flight,
    nova::own_writes::OwnWrites,
};
use http::Method;
use recovery::Millis;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use url::Url;
use version::{Microversion, Versions};

/// How many items we ask for at once; Nova's own limit is the same unless an operator lowered it.
const PAGE: &str = "1000";
/// More pages than this are a list without end.
const PAGES_MAX: usize = 1000;

/// How to find Nova, and how long to wait for it.
#[derive(Clone, Debug)]
pub struct NovaConfig {
    pub service_type: String,
    pub service_name: Option<String>,
    /// The session's, when not set.
    pub region_name: Option<String>,
    /// The session's, when not set.
    pub interface: Option<Interface>,
    pub endpoint_override: Option<Url>,
    /// For one page of a list.
    pub list_deadline: Duration,
    /// For what changes a server.
    pub act_deadline: Duration,
    /// For what changes a compute service. Nova tells the host of a disabled service, waits for a
    /// dead one `rpc_response_timeout` (60 s), and has disabled it before that.
    pub service_deadline: Duration,
}

impl Default for NovaConfig {
    fn default() -> Self {
        Self {
            service_type: "compute".into(),
            service_name: None,
            region_name: None,
            interface: None,
            endpoint_override: None,
            list_deadline: Duration::from_secs(60),
            act_deadline: Duration::from_secs(60),
            service_deadline: Duration::from_secs(75),
        }
    }
}

/// Nova, as far as recovery needs it; clones share what is known of it.
#[derive(Clone, Debug)]
pub struct Nova(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    session: Session,
    service: Service,
    config: NovaConfig,
    versions: Flight<Versions, AskError>,
    /// What to add to our clock to get Nova's, as of its last answer.
    clock_offset_ms: AtomicI64,
    own_writes: OwnWrites,
}

/// A whole list, and an answer's circumstances.
struct Listed<T> {
    items: Vec<T>,
    asked: Asked,
}

/// A list that is asked for.
struct List<'a> {
    path: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    name: &'static str,
    at: Microversion,
}

impl<'a> List<'a> {
    /// At the microversion of lists.
    fn of(path: &'a [&'a str], query: &'a [(&'a str, &'a str)], name: &'static str) -> Self {
        Self { path, query, name, at: Microversion::LIST }
    }
}

#[derive(Deserialize)]
struct Link {
    rel: String,
}

impl Nova {
    /// Nothing is sent before the first question.
    #[must_use]
    pub fn new(session: Session, config: NovaConfig) -> Self {
        let service = Service {
            types: vec![config.service_type.clone()],
            name: config.service_name.clone(),
            region: config.region_name.clone(),
            interface: config.interface,
            endpoint_override: config.endpoint_override.clone(),
            version: "v2.1",
            api: "compute",
        };
        Self(Arc::new(Inner {
            session,
            service,
            config,
            versions: Flight::new(),
            clock_offset_ms: AtomicI64::new(0),
            own_writes: OwnWrites::default(),
        }))
    }

    /// Our moment `ours`, by Nova's clock.
    fn by_novas_clock(&self, ours: Millis) -> Millis {
        ours.plus(self.0.clock_offset_ms.load(Ordering::Relaxed))
    }

    /// Nova's moment `novas`, by our clock.
    fn by_our_clock(&self, novas: Millis) -> Millis {
        novas.plus(-self.0.clock_offset_ms.load(Ordering::Relaxed))
    }

    async fn ask(&self, request: Request<'_>) -> Result<Reply, AskError> {
        let reply = self.0.session.ask(request).await?;
        if let Some(date) = reply.date() {
            let offset_ms = date.since(self.0.session.clock().wall());
            self.0.clock_offset_ms.store(offset_ms, Ordering::Relaxed);
        }
        Ok(reply)
    }

    /// Reads `path` at the microversion of lists.
    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Reply, AskError> {
        self.get_at(path, query, Microversion::LIST).await
    }

    /// Reads `path` at `wanted`, or the newest that this Nova speaks.
    async fn get_at(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        wanted: Microversion,
    ) -> Result<Reply, AskError> {
        let microversion = self.versions().await?.at_most(wanted).to_string();
        let request = Request::get(&self.0.service, path, self.0.config.list_deadline);
        self.ask(Request { query, microversion: Some(&microversion), ..request }).await
    }

    /// Makes that what is done [at once](Repeat::AtOnce) can be: fetches, if need be, a token, and what this Nova speaks.
    /// Whoever does such a thing calls this first, and then looks whether it may be done.
    pub async fn ready(&self) -> Result<(), AskError> {
        self.0.session.ready(&self.0.service, self.0.config.act_deadline).await?;
        self.versions().await.map(|_| ())
    }

    /// Changes something by `body`.
    async fn change(
        &self,
        method: Method,
        path: &[&str],
        body: Value,
        at: Microversion,
        (deadline, repeat): (Duration, Repeat),
    ) -> Result<Reply, AskError> {
        let microversion = at.to_string();
        let request = Request::change(method, &self.0.service, path, body, deadline);
        self.ask(Request { microversion: Some(&microversion), repeat, ..request }).await
    }

    /// The whole of a list.
    async fn list<T: DeserializeOwned>(
        &self,
        list: List<'_>,
        marker_of: impl Fn(&T) -> &str,
    ) -> Result<Listed<T>, AskError> {
        let mut items: Vec<T> = Vec::new();
        let asked = self.page_by_page(&list, marker_of, |page, _| {
            items.extend(page);
            Ok(())
        });
        let asked = asked.await?;
        Ok(Listed { items, asked })
    }

    /// Gives each page of a list to `take`, until that refuses one. A page that is not full says nothing: an
    /// operator may have lowered Nova's limit. The `next` link does.
    async fn page_by_page<T: DeserializeOwned>(
        &self,
        list: &List<'_>,
        marker_of: impl Fn(&T) -> &str,
        mut take: impl FnMut(Vec<T>, &Asked) -> Result<(), AskError>,
    ) -> Result<Asked, AskError> {
        let mut marker: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut query = [list.query, &[("limit", PAGE)]].concat();
            query.extend(marker.as_deref().map(|marker| ("marker", marker)));
            let reply = match self.get_at(list.path, &query, list.at).await {
                // The last item of a page went away before we asked for the next one.
                Err(AskError::BadRequest { asked, message }) if marker.is_some() => {
                    return Err(AskError::PartialAnswer { asked, why: message });
                }
                outcome => outcome?,
            };
            let (page, more, asked) = read_page::<T>(reply, list.name)?;
            let last = page.last().map(|item| marker_of(item).to_owned());
            take(page, &asked)?;
            if last.is_none() || !more {
                return Ok(asked);
            }
            if last == marker {
                return Err(endless(asked));
            }
            marker = last;
        }
        Err(endless(Asked {
            method: Method::GET,
            to: list.path.join("/"),
            status: None,
            request_id: "no single request".into(),
        }))
    }
}

fn endless(asked: Asked) -> AskError {
    let expected = "a list that ends";
    AskError::Rubbish { asked: Box::new(asked), expected, excerpt: "the same page again".into() }
}

/// The items of a page, and whether there are more.
fn read_page<T: DeserializeOwned>(
    reply: Reply,
    name: &'static str,
) -> Result<(Vec<T>, bool, Asked), AskError> {
    let asked = reply.asked.clone();
    let links: Vec<Link> = match reply.body.get(format!("{name}_links")) {
        Some(links) => Vec::deserialize(links).unwrap_or_default(),
        None => Vec::new(),
    };
    let items = reply.read_under(name)?;
    Ok((items, links.iter().any(|link| link.rel == "next"), asked))
}
