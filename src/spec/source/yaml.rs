//! YAML to a tree of nodes. JSON is YAML, too, once it is known to be valid JSON.

use std::collections::BTreeMap;

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Span};

use super::super::node::{Entry, FileName, Node, Origin, Value};
use super::super::problem::Problems;

/// How many values a file may have, with those that its aliases repeat.
const MAX_NODES: usize = 10_000;
/// How many bytes of text the values may have, with those that the aliases repeat.
const MAX_TEXT: usize = 2 << 20;
/// How deep lists and maps may be nested.
const MAX_DEPTH: usize = 50;

/// The tree of a file; `None` if it is empty, or is not YAML.
pub(super) fn parse(file: &FileName, text: &str, problems: &mut Problems) -> Option<Node> {
    let mut builder = Builder::new(file);
    match builder.build(text) {
        Ok(root) => root,
        Err(SyntaxError { origin, message }) => {
            problems.error(&origin, message);
            None
        }
    }
}

struct SyntaxError {
    origin: Origin,
    message: String,
}

/// A list or map that is not complete.
struct Open {
    origin: Origin,
    anchor: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, Origin)> },
}

struct Builder<'a> {
    file: &'a FileName,
    open: Vec<Open>,
    /// The anchored nodes, each with its size.
    anchors: BTreeMap<usize, (Node, Size)>,
    size: Size,
    documents: usize,
    root: Option<Node>,
}

impl<'a> Builder<'a> {
    fn new(file: &'a FileName) -> Self {
        Self { file, open: Vec::new(), anchors: BTreeMap::new(), size: Size::default(), documents: 0, root: None }
    }

    fn build(&mut self, text: &str) -> Result<Option<Node>, SyntaxError> {
        let mut options = Options::default();
        options.emit_comments = false;
        options.flow_nesting_limit = MAX_DEPTH;
        options.block_nesting_limit = MAX_DEPTH;
        // The iterator of a parser may repeat an error for ever: the first one ends the loop.
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.map_err(|error| self.scan_error(&error))?;
            self.handle(event, span)?;
        }
        Ok(self.root.take().filter(|root| !root.is_null()))
    }

    fn handle(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        let origin = self.origin(&span.start);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(SyntaxError { origin, message: "the file has more than one YAML document".into() });
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, _) => {
                let is_null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if is_null { Value::Null } else { Value::Scalar(text.into_owned()) };
                self.finish(Node { value, origin }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(origin, anchor, OpenKind::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                self.begin(origin, anchor, OpenKind::Map { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.repeat(anchor, origin),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, origin: Origin, anchor: usize, kind: OpenKind) -> Result<(), SyntaxError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(SyntaxError { origin, message: format!("lists and maps are nested deeper than {MAX_DEPTH}") });
        }
        self.open.push(Open { origin, anchor, kind });
        Ok(())
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        let Some(Open { origin, anchor, kind }) = self.open.pop() else { return Ok(()) };
        let value = match kind {
            OpenKind::List(items) => Value::List(items),
            OpenKind::Map { entries, .. } => Value::Map(merge_keys(entries)),
        };
        self.finish(Node { value, origin }, anchor)
    }

    /// An alias: the anchored node again. The origin stays that of the anchor, where the text is.
    fn repeat(&mut self, anchor: usize, origin: Origin) -> Result<(), SyntaxError> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            return Err(SyntaxError { origin, message: "an alias is inside of its own anchor".into() });
        };
        self.size = self.size.plus(*size);
        self.check_size(&origin)?;
        let node = node.clone();
        self.place(node)
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), SyntaxError> {
        self.size = self.size.plus(Size { nodes: 1, text: text_len(&node) });
        self.check_size(&node.origin)?;
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), Size::of(&node)));
        }
        self.place(node)
    }

    /// Puts a complete node into the list or map that is open, or makes it the root.
    fn place(&mut self, node: Node) -> Result<(), SyntaxError> {
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(OpenKind::List(items)) => items.push(node),
            Some(OpenKind::Map { entries, key }) => match key.take() {
                None => {
                    let Node { value, origin } = node;
                    let Value::Scalar(text) = value else {
                        return Err(SyntaxError { origin, message: "a key has to be a text".into() });
                    };
                    if entries.iter().any(|entry| entry.key == text) {
                        return Err(SyntaxError { origin, message: format!("the key {text:?} occurs twice") });
                    }
                    *key = Some((text, origin));
                }
                Some((key, key_origin)) => entries.push(Entry { key, key_origin, value: node }),
            },
        }
        Ok(())
    }

    fn check_size(&self, origin: &Origin) -> Result<(), SyntaxError> {
        let message = if self.size.nodes > MAX_NODES {
            format!("the file has more than {MAX_NODES} values, with those of its aliases")
        } else if self.size.text > MAX_TEXT {
            format!("the values have more than {MAX_TEXT} bytes, with those of the file's aliases")
        } else {
            return Ok(());
        };
        Err(SyntaxError { origin: origin.clone(), message })
    }

    fn origin(&self, marker: &Marker) -> Origin {
        Origin::File { file: self.file.clone(), line: marker.line(), column: marker.col() + 1 }
    }

    fn scan_error(&self, error: &ScanError) -> SyntaxError {
        SyntaxError { origin: self.origin(error.marker()), message: format!("invalid YAML: {}", error.info()) }
    }
}

/// How much a tree holds.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    /// In bytes.
    text: usize,
}

impl Size {
    fn of(node: &Node) -> Self {
        let own = Self { nodes: 1, text: text_len(node) };
        match &node.value {
            Value::Null | Value::Scalar(_) => own,
            Value::List(items) => items.iter().map(Self::of).fold(own, Self::plus),
            Value::Map(entries) => entries.iter().map(|entry| Self::of(&entry.value)).fold(own, Self::plus),
        }
    }

    fn plus(self, other: Self) -> Self {
        let Self { nodes, text } = other;
        Self { nodes: self.nodes.saturating_add(nodes), text: self.text.saturating_add(text) }
    }
}

fn text_len(node: &Node) -> usize {
    node.as_text().map_or(0, str::len)
}

/// Replaces the merge key `<<` by the entries of its map or maps; the map's own keys win.
/// <https://yaml.org/type/merge.html>
fn merge_keys(entries: Vec<Entry>) -> Vec<Entry> {
    let (merged, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.key == "<<");
    let maps = merged.into_iter().flat_map(|entry| match entry.value.value {
        Value::List(maps) => maps,
        _ => vec![entry.value],
    });
    for map in maps {
        let Value::Map(inherited) = map.value else { continue };
        for entry in inherited {
            if own.iter().all(|known| known.key != entry.key) {
                own.push(entry);
            }
        }
    }
    own
}
