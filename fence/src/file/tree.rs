//! YAML as a tree that remembers where everything stands, so that every complaint can name line and column.
//! Anchors, aliases, tags and more than one document are refused: a file that decides over power shall say
//! things where they are read.

use super::fault::{Fault, Place, What};
use granit_parser::{Event, Parser, ScalarStyle, Span};

/// One node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) shape: Shape,
}

/// What stands there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// `plain`: without quotes, so that `true` or nothing may be meant.
    Text {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// What it is, for a complaint.
    pub(super) fn called(&self) -> &'static str {
        match &self.shape {
            Shape::Text { text, plain: true } if is_nothing(text) => "nothing",
            Shape::Text { .. } => "a text",
            Shape::List(_) => "a list",
            Shape::Map(_) => "a map",
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Text { text, plain } if !(*plain && is_nothing(text)) => Some(text),
            Shape::Text { .. } | Shape::List(_) | Shape::Map(_) => None,
        }
    }
}

fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A list or map that is not closed yet.
struct Open {
    node: Node,
    /// The key whose value is awaited.
    key: Option<Node>,
}

impl Open {
    fn take(&mut self, node: Node) {
        match (&mut self.node.shape, self.key.take()) {
            (Shape::List(items), _) => items.push(node),
            (Shape::Map(pairs), Some(key)) => pairs.push((key, node)),
            (Shape::Map(_), None) => self.key = Some(node),
            (Shape::Text { .. }, _) => {}
        }
    }
}

/// Reads the one document of `text`; `None` when there is nothing in it.
pub(super) fn read(text: &str) -> Result<Option<Node>, Fault> {
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|e| {
            let place = Place { line: e.marker().line(), column: e.marker().col() + 1 };
            Fault { place, what: What::Syntax { why: e.info() } }
        })?;
        let place = place(&span);
        let not_read = |what| Fault { place, what: What::NotRead { what } };
        let closed = match event {
            Event::Scalar(text, style, anchor, tag) => {
                if anchor != 0 || tag.is_some() {
                    return Err(not_read("an anchor or a tag"));
                }
                let plain = style == ScalarStyle::Plain;
                Some(Node { place, shape: Shape::Text { text: text.into_owned(), plain } })
            }
            Event::SequenceStart(_, anchor, tag) | Event::MappingStart(_, anchor, tag)
                if anchor != 0 || tag.is_some() =>
            {
                return Err(not_read("an anchor or a tag"));
            }
            Event::SequenceStart(..) => {
                open.push(Open { node: Node { place, shape: Shape::List(Vec::new()) }, key: None });
                None
            }
            Event::MappingStart(..) => {
                open.push(Open { node: Node { place, shape: Shape::Map(Vec::new()) }, key: None });
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(|open| open.node),
            Event::Alias(_) => return Err(not_read("an alias")),
            Event::DocumentStart(..) if root.is_some() => {
                return Err(not_read("a second document"));
            }
            Event::UnresolvedAlias(_) => return Err(not_read("an alias")),
            // Not data.
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::Comment(..)
            | _ => None,
        };
        if let Some(node) = closed {
            match open.last_mut() {
                Some(parent) => parent.take(node),
                None => root = Some(node),
            }
        }
    }
    Ok(root.filter(|node: &Node| node.called() != "nothing"))
}

fn place(span: &Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}
