//! Answers how many hosts each segment may lose, and what a plan of each of its hosts says in sum.
//!
//! The cloud is gathered once for all hosts of a page of segments: each list of it is asked for once, however many
//! hosts there are. One engine at a time does that (a lease), and lets the others have their turn after each host.
//! Shares are asked for server by server, and so not here.

mod gathered;

use crate::{
    Engine,
    forecast::{ANSWER_BYTES_MOST, plan_of},
    look::LookFailed,
    turn::chain,
};
use gathered::Cloud;
use recovery::{
    HostName, SegmentId,
    lease::LeaseKey,
    nouns::{Host, Segment},
    report::{Load, Measure, Named, Report, SegmentReport},
    request::RequestState,
};
use std::time::Duration;
use store::{HostFilter, Order, Page, SegmentFilter, Sort, StoreError};

/// Longer than this nobody waits for a page.
const WITHIN: Duration = Duration::from_secs(240);
/// On a page.
const SEGMENTS_MOST: usize = 64;
const HOSTS_MOST: usize = 500;
const SERVERS_MOST: usize = 20_000;

/// Segments with their hosts, and whether there are more after them.
struct Wanted {
    segments: Vec<(Segment, Vec<Host>)>,
    more: bool,
}

impl Engine {
    /// Answers a question for a report, unless another engine is at one.
    pub(crate) async fn answer_report(
        &self,
        id: &str,
        segment: Option<&SegmentId>,
        after: Option<i64>,
    ) -> Result<(), StoreError> {
        let Some((_taking, lease)) = self.take_free(LeaseKey::report()).await? else {
            self.ports.clock.sleep(self.config().poll).await;
            return Ok(());
        };
        let answered = self.report_if_open(id, segment, after).await;
        let leases = [lease];
        self.tenures.forget(&leases);
        self.ports.store.release(&leases).await?;
        answered
    }

    async fn report_if_open(
        &self,
        id: &str,
        segment: Option<&SegmentId>,
        after: Option<i64>,
    ) -> Result<(), StoreError> {
        let store = &self.ports.store;
        // Whoever had the lease before may have answered it.
        if store.request(id).await?.is_none_or(|r| r.state != RequestState::Open) {
            return Ok(());
        }
        let report = ports::within(&*self.ports.clock, WITHIN, self.report(segment, after)).await;
        let (state, answer) = match report {
            Some(Ok(report)) => (RequestState::Done, written(report)),
            Some(Err(failed)) => {
                (RequestState::Refused, format!("there is no report: {}", chain(&failed)))
            }
            None => {
                let s = WITHIN.as_secs();
                let why = format!(
                    "there is no report: it took longer than {s} s; ask for one segment after the other"
                );
                (RequestState::Refused, why)
            }
        };
        store.answer_request(id, state, &answer, None).await.map(|_| ())
    }

    async fn report(
        &self,
        segment: Option<&SegmentId>,
        after: Option<i64>,
    ) -> Result<Report, LookFailed> {
        let mut wanted = self.segments_of(segment, after).await?;
        loop {
            let names = wanted.segments.iter().flat_map(|(_, hosts)| hosts).map(|h| &h.name);
            let reserved = wanted.segments.iter().flat_map(|(_, hosts)| hosts);
            let reserved = reserved.filter(|host| host.reserved && !host.on_maintenance);
            let reserved: Vec<HostName> = reserved.map(|host| host.name.clone()).collect();
            let cloud = self.gather(names.cloned().collect(), &reserved, SERVERS_MOST).await?;
            match cloud {
                Some(cloud) => return Ok(self.report_of(wanted, cloud).await),
                None if wanted.segments.len() <= 1 => return Ok(wanted.too_large()),
                None => wanted.halve(),
            }
        }
    }

    /// The page of segments: as many whole ones as are not too many hosts, but one at least.
    async fn segments_of(
        &self,
        segment: Option<&SegmentId>,
        after: Option<i64>,
    ) -> Result<Wanted, StoreError> {
        let store = &self.ports.store;
        let all = match segment {
            Some(id) => store.segment(id).await?.into_iter().collect(),
            None => {
                let sort = vec![Sort { key: "id".into(), order: Order::Ascending }];
                let page = Page { sort, marker: after, limit: Some(SEGMENTS_MOST as u64 + 1) };
                store.segments(&SegmentFilter::default(), &page).await?
            }
        };
        let mut wanted = Wanted { more: all.len() > SEGMENTS_MOST, segments: Vec::new() };
        let mut count = 0;
        for segment in all.into_iter().take(SEGMENTS_MOST) {
            let hosts =
                store.hosts(&segment.uuid, &HostFilter::default(), &Page::default()).await?;
            count += hosts.len();
            if count > HOSTS_MOST && !wanted.segments.is_empty() {
                wanted.more = true;
                break;
            }
            wanted.segments.push((segment, hosts));
        }
        Ok(wanted)
    }

    async fn report_of(&self, wanted: Wanted, cloud: Cloud) -> Report {
        let (next, mut segments) = (wanted.next(), Vec::new());
        for (segment, hosts) in wanted.segments {
            segments.push(match hosts.len() > HOSTS_MOST {
                true => named(segment).too_large(hosts.len()),
                false => self.measure(segment, hosts, &cloud).await,
            });
        }
        Report { segments, unknown: cloud.unknown, next }
    }

    async fn measure(&self, segment: Segment, hosts: Vec<Host>, cloud: &Cloud) -> SegmentReport {
        let config = self.config();
        let around = cloud.around(segment.recovery_method, &hosts, config.within_segment);
        let mut measure = Measure::of(named(segment), &around);
        for host in hosts {
            let (facts, priorities) = cloud.words_on(&config, &host.name);
            let seen = cloud.seen(&host.name, &facts);
            let (moves, skipped) = plan_of(&config, &host.name, &seen, &priorities);
            let Host { name: host, reserved, on_maintenance, .. } = host;
            let servers = seen.servers.to_vec();
            measure.weigh(Load { host, reserved, on_maintenance, servers, moves, skipped });
            tokio::task::yield_now().await;
        }
        while measure.lose_another() {
            tokio::task::yield_now().await;
        }
        measure.told()
    }
}

impl Wanted {
    fn next(&self) -> Option<i64> {
        let last = self.segments.last().filter(|_| self.more);
        last.map(|(segment, _)| segment.id)
    }

    fn halve(&mut self) {
        self.segments.truncate(self.segments.len().div_ceil(2));
        self.more = true;
    }

    fn too_large(self) -> Report {
        let next = self.next();
        let segments = self.segments.into_iter();
        let segments = segments.map(|(segment, hosts)| named(segment).too_large(hosts.len()));
        Report { segments: segments.collect(), unknown: Vec::new(), next }
    }
}

fn named(segment: Segment) -> Named {
    let Segment { uuid: id, name, recovery_method: method, enabled, .. } = segment;
    Named { id, name, method, enabled }
}

/// As it fits into the database.
fn written(mut report: Report) -> String {
    loop {
        let text = serde_json::json!(report).to_string();
        if text.len() <= ANSWER_BYTES_MOST || !report.shorten() {
            return text;
        }
    }
}
