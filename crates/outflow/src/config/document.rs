//! A TOML text as a tree in which every key and value knows where it stands, and every error of its syntax.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Deeper tables are none of ours; the parser has a bound of its own that this stays below.
const DEEPEST: usize = 32;

/// A value. No `Debug`: it may be a secret.
pub(super) struct Node {
    /// Its bytes in the text.
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

/// What a value is.
pub(super) enum Kind {
    Text(String),
    /// As it was written, without underscores.
    Number(String),
    Bool(bool),
    Date,
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key and its value.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) span: Range<usize>,
    pub(super) value: Node,
}

/// An error of the syntax; its text holds nothing of the document.
pub(super) struct Broken {
    pub(super) span: Range<usize>,
    pub(super) problem: String,
}

impl Node {
    /// What it is, for "expected ..., found ...".
    pub(super) fn sort(&self) -> &'static str {
        match self.kind {
            Kind::Text(_) => "a text",
            Kind::Number(_) => "a number",
            Kind::Bool(_) => "true or false",
            Kind::Date => "a date",
            Kind::List(_) => "a list",
            Kind::Table(_) => "a table",
        }
    }

    /// The spans of all plain values within it.
    pub(super) fn plain(&self, into: &mut Vec<Range<usize>>) {
        match &self.kind {
            Kind::List(list) => list.iter().for_each(|node| node.plain(into)),
            Kind::Table(entries) => entries.iter().for_each(|entry| entry.value.plain(into)),
            _ => into.push(self.span.clone()),
        }
    }
}

/// Reads a document as far as it can be read.
pub(super) fn parse(text: &str) -> (Node, Vec<Broken>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let root = Node { span: table.span(), kind: Kind::Table(entries(table.get_ref(), 0)) };
    let mut broken: Vec<Broken> = errors
        .into_iter()
        .map(|error| Broken {
            span: error.span().unwrap_or(text.len()..text.len()),
            problem: error.message().to_owned(),
        })
        .collect();
    broken.sort_by_key(|broken| broken.span.start);
    (root, broken)
}

fn entries(table: &DeTable<'_>, depth: usize) -> Vec<Entry> {
    let mut found: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry { name: key.get_ref().to_string(), span: key.span(), value: node(value, depth) })
        .collect();
    // The map is in the order of the names; people read mistakes from the top.
    found.sort_by_key(|entry| entry.span.start);
    found
}

fn node(value: &Spanned<DeValue<'_>>, depth: usize) -> Node {
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::Text(text.to_string()),
        DeValue::Integer(number) => Kind::Number(number.to_string()),
        DeValue::Float(number) => Kind::Number(number.as_str().to_owned()),
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Datetime(_) => Kind::Date,
        DeValue::Array(list) if depth < DEEPEST => {
            Kind::List(list.iter().map(|value| node(value, depth + 1)).collect())
        }
        DeValue::Table(table) if depth < DEEPEST => Kind::Table(entries(table, depth + 1)),
        DeValue::Array(_) => Kind::List(Vec::new()),
        DeValue::Table(_) => Kind::Table(Vec::new()),
    };
    Node { span: value.span(), kind }
}
