//! A list of notifications, which may be long: a thousand of them as [`Notification`]s would be five
//! thousand pieces of memory, to be asked for, filled and given back. Here all their texts are one piece,
//! and a row knows where its own begin and end.

use recovery::{
    HostId, Millis, NotificationId, SegmentId,
    nouns::{Notification, NotificationStatus, NotificationType},
};
use std::ops::Range;

/// Notifications, in the order of their list.
#[derive(Clone, Default, Debug)]
pub struct NotificationList {
    text: String,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    id: i64,
    kind: NotificationType,
    status: NotificationStatus,
    generated_time: Millis,
    /// As finely as the database keeps it: lists are sorted by it.
    created_at_us: Option<i64>,
    updated_at: Option<Millis>,
    uuid: Range<usize>,
    source_host: Range<usize>,
    segment: Option<Range<usize>>,
    payload: Range<usize>,
    message: Option<Range<usize>>,
}

/// One of a list, as it stands there: see [`Notification`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listed<'a> {
    pub id: i64,
    pub uuid: &'a str,
    pub kind: NotificationType,
    pub generated_time: Millis,
    pub payload: &'a str,
    pub status: NotificationStatus,
    pub source_host: &'a str,
    /// Nothing when it was never noted and the host is not known any more.
    pub segment: Option<&'a str>,
    pub message: Option<&'a str>,
    pub created_at: Option<Millis>,
    pub updated_at: Option<Millis>,
}

impl NotificationList {
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of all their texts.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = Listed<'_>> {
        self.rows.iter().map(|row| self.listed(row))
    }

    /// Each for itself.
    #[must_use]
    pub fn nouns(&self) -> Vec<Notification> {
        self.iter().map(|listed| listed.noun()).collect()
    }

    fn listed(&self, row: &Row) -> Listed<'_> {
        // The ranges are those of texts that were added, and no text is ever taken away.
        let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        Listed {
            id: row.id,
            uuid: text(&row.uuid),
            kind: row.kind,
            generated_time: row.generated_time,
            payload: text(&row.payload),
            status: row.status,
            source_host: text(&row.source_host),
            segment: row.segment.as_ref().map(text),
            message: row.message.as_ref().map(text),
            created_at: row.created_at_us.map(|us| Millis(us.div_euclid(1000))),
            updated_at: row.updated_at,
        }
    }

    fn add(&mut self, text: &str) -> Range<usize> {
        let from = self.text.len();
        self.text.push_str(text);
        from..self.text.len()
    }

    /// Adds one at the end, which was created at `created_at_us`.
    pub(crate) fn push(&mut self, new: &Listed<'_>, created_at_us: Option<i64>) {
        let row = Row {
            id: new.id,
            kind: new.kind,
            status: new.status,
            generated_time: new.generated_time,
            created_at_us,
            updated_at: new.updated_at,
            uuid: self.add(new.uuid),
            source_host: self.add(new.source_host),
            segment: new.segment.map(|text| self.add(text)),
            payload: self.add(new.payload),
            message: new.message.map(|text| self.add(text)),
        };
        self.rows.push(row);
    }

    /// Puts them in the order of their creation, each once, as it was found first, and at most `limit`.
    #[cfg(feature = "sql")]
    pub(crate) fn arrange(&mut self, order: crate::Order, limit: u64) {
        let by = |row: &Row| (row.created_at_us, row.id);
        match order {
            crate::Order::Ascending => self.rows.sort_by_key(by),
            crate::Order::Descending => self.rows.sort_by_key(|row| std::cmp::Reverse(by(row))),
        }
        self.rows.dedup_by_key(|row| row.id);
        self.rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }

    /// The hosts of those whose segment was not noted.
    #[cfg(feature = "sql")]
    pub(crate) fn unplaced(&self) -> impl Iterator<Item = &str> {
        self.iter().filter(|listed| listed.segment.is_none()).map(|listed| listed.source_host)
    }

    /// Gives them the segments of their hosts.
    #[cfg(feature = "sql")]
    pub(crate) fn place(&mut self, segments: &std::collections::BTreeMap<String, SegmentId>) {
        let Self { text, rows } = self;
        for row in rows.iter_mut().filter(|row| row.segment.is_none()) {
            let host = text.get(row.source_host.clone()).unwrap_or_default();
            if let Some(segment) = segments.get(host) {
                let from = text.len();
                text.push_str(segment.as_str());
                row.segment = Some(from..text.len());
            }
        }
    }
}

impl<'a> FromIterator<&'a Notification> for NotificationList {
    fn from_iter<I: IntoIterator<Item = &'a Notification>>(nouns: I) -> Self {
        let mut list = Self::default();
        for noun in nouns {
            let listed = Listed::of(noun);
            list.push(&listed, listed.created_at.map(|at| at.0.saturating_mul(1000)));
        }
        list
    }
}

impl<'a> Listed<'a> {
    /// `noun` as a list would show it.
    #[must_use]
    pub fn of(noun: &'a Notification) -> Self {
        Self {
            id: noun.id,
            uuid: noun.uuid.as_str(),
            kind: noun.kind,
            generated_time: noun.generated_time,
            payload: &noun.payload,
            status: noun.status,
            source_host: noun.source_host.as_str(),
            segment: Some(noun.segment.as_str()),
            message: noun.message.as_deref(),
            created_at: noun.created_at,
            updated_at: noun.updated_at,
        }
    }

    /// The same for itself.
    #[must_use]
    pub fn noun(&self) -> Notification {
        Notification {
            id: self.id,
            uuid: NotificationId::new(self.uuid),
            kind: self.kind,
            generated_time: self.generated_time,
            payload: self.payload.into(),
            status: self.status,
            source_host: HostId::new(self.source_host),
            segment: SegmentId::new(self.segment.unwrap_or_default()),
            message: self.message.map(Into::into),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}
