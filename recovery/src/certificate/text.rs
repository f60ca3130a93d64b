//! A certificate as a person reads it at night.

use super::{Certificate, Certificates, Climb, Piece, Standing};
use crate::Millis;
use alloc::string::String;
use core::fmt;

impl fmt::Display for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, notification, status, .. } = self;
        writeln!(f, "host {host}, notification {notification} ({status})")?;
        let over = self.status.is_terminal();
        for (i, certificate) in self.certificates.iter().enumerate() {
            write!(f, "\ncertificate {} of {}: ", i + 1, self.certificates.len())?;
            certificate.write(f, over)?;
        }
        if let Some(missing) = &self.missing {
            writeln!(f, "\nno certificate is in force: {}", printable(missing, ""))?;
        }
        climbs(f, "climbs of the ladder since", &self.climbs_since)
    }
}

impl Certificate {
    fn write(&self, f: &mut fmt::Formatter<'_>, over: bool) -> fmt::Result {
        match &self.standing {
            Standing::InForce if over => writeln!(f, "in force when the recovery ended")?,
            Standing::InForce => writeln!(f, "IN FORCE")?,
            Standing::Voided { at, why, sighting } => {
                writeln!(f, "VOID since {}", at.iso())?;
                if let Some(sign) = sighting {
                    writeln!(f, "  sign of life: {}, at {}", sign.what, sign.at.iso())?;
                }
                writeln!(f, "  void because: {}", printable(why, "  "))?;
            }
            Standing::Replaced { at } => writeln!(f, "replaced by the next, {}", at.iso())?,
            Standing::TriedAgain { at } => {
                writeln!(f, "over since the recovery was tried again, {}", at.iso())?;
            }
        }
        let Self { kind, engine, generation, seq, .. } = self;
        let judged_at = self.judged_at.iso();
        writeln!(
            f,
            "  judged dead: {judged_at}, by engine {engine} (lease generation {generation}, log line {seq})"
        )?;
        writeln!(f, "  proof: {kind}, true at {}", self.true_at.iso())?;
        writeln!(f, "  evidence (* decides):")?;
        for piece in &self.evidence {
            piece.write(f)?;
        }
        climbs(f, "  climbs of the ladder before", &self.climbs)
    }
}

impl Piece {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.decides { '*' } else { ' ' };
        let (at, source) = (self.at.iso(), printable(&self.source, "        "));
        writeln!(f, "   {mark} {} at {at}, by {source}", self.kind)?;
        if !self.raw.is_empty() {
            writeln!(f, "        {}", printable(&self.raw, "        "))?;
        }
        Ok(())
    }
}

fn climbs(f: &mut fmt::Formatter<'_>, title: &str, climbs: &[Climb]) -> fmt::Result {
    if climbs.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}:")?;
    for climb in climbs {
        let end = match (climb.ended_at, climb.proved) {
            (None, _) => "without an outcome in the log",
            (Some(_), true) => "proved it",
            (Some(_), false) => "proved nothing",
        };
        let ended = climb
            .ended_at
            .map_or_else(String::new, |at: Millis| alloc::format!(" to {}", at.iso()));
        writeln!(f, "    attempt {}, {}{ended}: {end}", climb.attempt, climb.began_at.iso())?;
        let steps = if climb.path.is_empty() { &climb.rungs } else { &climb.path };
        for step in steps {
            writeln!(f, "        {}", printable(step, "        "))?;
        }
    }
    Ok(())
}

/// What others said, with nothing in it that a terminal would obey; further lines begin with `indent`.
fn printable(text: &str, indent: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' => {
                out.push('\n');
                out.push_str(indent);
            }
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
