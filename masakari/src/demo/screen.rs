//! How it looks: lines with a time, who, and what; colours where there is a terminal.

use crate::output;
use std::io::IsTerminal;

/// Whose doing a line tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    Cloud,
    Monitor,
    Api,
    Engine,
    Nova,
    Person,
}

/// What a line means for the person who reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
}

/// Where lines go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    paint: Paint,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Paint {
    Plain,
    Colours,
}

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const RED: &str = "31";

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Monitor => "monitor",
            Self::Api => "api",
            Self::Engine => "engine",
            Self::Nova => "nova",
            Self::Person => "person",
        }
    }
}

impl Screen {
    pub(super) fn new(no_color: bool) -> Self {
        let colours = !no_color && std::io::stdout().is_terminal();
        Self { paint: if colours { Paint::Colours } else { Paint::Plain } }
    }

    pub(super) fn line(self, text: &str) {
        output::say(text);
    }

    pub(super) fn heading(self, text: &str) {
        output::say("");
        output::say(&self.painted(BOLD, text));
    }

    /// `  + 5.4 s  engine   what it does`; the time is counted from the failure.
    pub(super) fn event(self, since_ms: i64, who: Who, tone: Tone, text: &str) {
        let time = self.painted(DIM, &format!("+{:>5} s", seconds(since_ms)));
        let text = match tone {
            Tone::Plain => text.to_owned(),
            Tone::Good => self.painted(GREEN, text),
            Tone::Bad => self.painted(RED, text),
        };
        output::say(&format!("  {time}  {:<8} {text}", who.name()));
    }

    /// Marks `text` as good or bad news.
    pub(super) fn verdict(self, tone: Tone, text: &str) {
        let text = match tone {
            Tone::Plain => text.to_owned(),
            Tone::Good => self.painted(GREEN, text),
            Tone::Bad => self.painted(RED, text),
        };
        output::say(&format!("  {text}"));
    }

    fn painted(self, how: &str, text: &str) -> String {
        match self.paint {
            Paint::Plain => text.to_owned(),
            Paint::Colours => format!("\x1b[{how}m{text}\x1b[0m"),
        }
    }
}

/// `5.4`
pub(super) fn seconds(ms: i64) -> String {
    let tenths = (ms.max(0) + 50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_to_tenths_of_a_second() {
        assert_eq!(seconds(0), "0.0");
        assert_eq!(seconds(949), "0.9");
        assert_eq!(seconds(12_350), "12.4");
        assert_eq!(seconds(-3), "0.0");
    }
}
