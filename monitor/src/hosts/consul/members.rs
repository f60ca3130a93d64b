//! What a Consul agent says of its cluster's members (`GET /v1/agent/members`), and whether it may be believed.

use super::matrix::Health;
use serde::Deserialize;
use std::{borrow::Cow, collections::BTreeMap};

pub const MEMBERS_MOST: usize = 10_000;
/// Of one member some 400 bytes, with its tags.
pub const BYTES_MOST: usize = 16 << 20;
const NAME_BYTES_MOST: usize = 255;

/// Serf's numbers.
const ALIVE: i64 = 1;
const FAILED: i64 = 4;

/// The members of one network.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Members(BTreeMap<String, Health>);

/// Why an answer is not used.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum Unusable {
    #[error("{0} bytes: more than {BYTES_MOST} are not read")]
    Huge(usize),
    #[error("not the JSON that Consul writes: {0}")]
    Syntax(String),
    #[error("more than {MEMBERS_MOST} members")]
    TooMany,
    #[error("a member without a name, or with one of more than {NAME_BYTES_MOST} bytes")]
    Name,
    #[error("no members, not even the agent itself: the token lacks node:read ([consul] token)")]
    Nobody,
    #[error("{alive} of {all} members are alive: the agent sees the smaller part of its cluster")]
    SmallerPart { alive: usize, all: usize },
}

#[derive(Deserialize)]
struct MemberJson<'a> {
    #[serde(rename = "Name", default, borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "Status", default)]
    status: i64,
}

impl Members {
    /// Reads the answer.
    ///
    /// # Errors
    /// When it is none, or the agent is cut off.
    pub fn read(body: &[u8]) -> Result<Self, Unusable> {
        if body.len() > BYTES_MOST {
            return Err(Unusable::Huge(body.len()));
        }
        let read: Vec<MemberJson<'_>> = serde_json::from_slice(body)
            .map_err(|error| Unusable::Syntax(error.to_string().chars().take(200).collect()))?;
        match read.len() {
            0 => return Err(Unusable::Nobody),
            1..=MEMBERS_MOST => {}
            _ => return Err(Unusable::TooMany),
        }
        let mut members = BTreeMap::new();
        for member in read {
            if member.name.is_empty() || member.name.len() > NAME_BYTES_MOST {
                return Err(Unusable::Name);
            }
            let health = health(member.status);
            // Of a host that came back under its name both may be there for a while.
            let was = members.entry(member.name.into_owned()).or_insert(health);
            *was = if *was == health { health } else { Health::Unknown };
        }
        Self(members).of_the_larger_part()
    }

    /// How that one is.
    #[must_use]
    pub fn health(&self, name: &str) -> Health {
        self.0.get(name).copied().unwrap_or(Health::Unknown)
    }

    /// All of whom it knows.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Of three or more, an agent that sees half of them or less alive is likely alone itself.
    fn of_the_larger_part(self) -> Result<Self, Unusable> {
        let count = |wanted| self.0.values().filter(|health| **health == wanted).count();
        let alive = count(Health::Up);
        let all = alive + count(Health::Down);
        if all >= 3 && 2 * alive <= all {
            Err(Unusable::SmallerPart { alive, all })
        } else {
            Ok(self)
        }
    }
}

/// Only a failure is one: who leaves (2) or has left (3) was told to, and of him nobody knows more.
fn health(status: i64) -> Health {
    match status {
        ALIVE => Health::Up,
        FAILED => Health::Down,
        _ => Health::Unknown,
    }
}
