//! Reads values of a document one by one, and gathers every mistake instead of stopping at the first.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::document::{Broken, Entry, Kind, Node};
use super::mistake::{Hidden, MASK, Mistake, Place};
use super::record::{self, Section};
use super::syntax;
use super::world::World;
use crate::options::suggest::{did_you_mean, nearest};
use crate::secret::Secret;

/// Where a mistake stands, before it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    /// In the document.
    Span(Range<usize>),
    /// A flag, a variable, the file as a whole.
    Named(String),
}

struct Raw {
    at: At,
    problem: String,
    hint: Option<String>,
}

/// Reads one document.
pub(super) struct Reader<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    /// Where paths that are not absolute begin.
    pub(super) folder: PathBuf,
    pub(super) world: &'a dyn World,
    /// The syntax is broken: what is missing may only not have been understood.
    pub(super) broken: bool,
    /// Secrets by name.
    pub(super) secrets: BTreeMap<String, Secret>,
    /// Names in `[secrets]`, also of those that could not be read.
    pub(super) secret_names: BTreeSet<String>,
    /// Variables that the document names.
    pub(super) variables: BTreeSet<String>,
    /// The first secret that stands in the document itself.
    pub(super) literal: Option<Range<usize>>,
    mistakes: Vec<Raw>,
    warnings: Vec<Raw>,
    hidden: Hidden,
    /// Where the plain values begin that may be seen.
    clear: BTreeSet<usize>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, text: &'a str, folder: PathBuf, world: &'a dyn World) -> Self {
        Self {
            file,
            text,
            folder,
            world,
            broken: false,
            secrets: BTreeMap::new(),
            secret_names: BTreeSet::new(),
            variables: BTreeSet::new(),
            literal: None,
            mistakes: Vec::new(),
            warnings: Vec::new(),
            hidden: Hidden::default(),
            clear: BTreeSet::new(),
        }
    }

    pub(super) fn wrong(&mut self, span: &Range<usize>, problem: impl Into<String>, hint: impl Into<String>) {
        self.wrong_at(At::Span(span.clone()), problem, hint);
    }

    pub(super) fn wrong_at(&mut self, at: At, problem: impl Into<String>, hint: impl Into<String>) {
        let raw = Raw { at, problem: problem.into(), hint: Some(hint.into()) };
        self.mistakes.push(raw);
    }

    pub(super) fn warn(&mut self, span: &Range<usize>, problem: impl Into<String>, hint: impl Into<String>) {
        self.warn_at(At::Span(span.clone()), problem, hint);
    }

    pub(super) fn warn_at(&mut self, at: At, problem: impl Into<String>, hint: impl Into<String>) {
        self.warnings.push(Raw { at, problem: problem.into(), hint: Some(hint.into()) });
    }

    /// Forgets mistakes on lines whose syntax is broken: they only follow from it.
    pub(super) fn keep_off(&mut self, broken: &[Broken]) {
        let lines: BTreeSet<usize> = broken.iter().map(|broken| self.line_of(&broken.span)).collect();
        let text = self.text;
        let follows = |raw: &Raw| match &raw.at {
            At::Span(span) => lines.contains(&(text.get(..span.start).unwrap_or_default().matches('\n').count() + 1)),
            At::Named(_) => false,
        };
        self.mistakes.retain(|raw| !follows(raw));
    }

    pub(super) fn is_clean(&self) -> bool {
        self.mistakes.is_empty()
    }

    /// The line of a place, for a mistake that points at two.
    pub(super) fn line_of(&self, span: &Range<usize>) -> usize {
        self.text.get(..span.start).unwrap_or_default().matches('\n').count() + 1
    }

    /// This value may be quoted.
    pub(super) fn show(&mut self, node: &Node) {
        let mut spans = Vec::new();
        node.plain(&mut spans);
        self.clear.extend(spans.into_iter().map(|span| span.start));
    }

    /// This value is quoted as `shown`.
    pub(super) fn show_as(&mut self, node: &Node, shown: &str) {
        self.clear.insert(node.span.start);
        self.hidden.hide(node.span.clone(), format!("\"{shown}\""));
    }

    /// A value of the wrong type.
    pub(super) fn unexpected(&mut self, node: &Node, wanted: &str, example: &str) {
        let mut hint = format!("write {example}");
        if matches!(node.kind, Kind::Number(_) | Kind::Date) && example.contains('"') {
            hint.push_str(", in quotes");
        }
        self.wrong(&node.span, format!("this is {}, where {wanted} is wanted", node.sort()), hint);
    }

    /// A text that may be seen.
    pub(super) fn text<'n>(&mut self, node: &'n Node, example: &str) -> Option<&'n str> {
        match &node.kind {
            Kind::Text(text) => {
                if text.contains("://") {
                    self.wrong(&node.span, "a URL can't stand here", format!("write {example}"));
                    return None;
                }
                if !text.contains('?') {
                    self.show(node);
                }
                Some(text)
            }
            _ => {
                self.unexpected(node, "a text", example);
                None
            }
        }
    }

    /// A list of texts, or one text.
    pub(super) fn texts<'n>(&mut self, node: &'n Node, example: &str) -> Vec<(&'n Node, &'n str)> {
        match &node.kind {
            Kind::List(list) => {
                list.iter().filter_map(|node| Some((node, self.text(node, "a text in quotes")?))).collect()
            }
            Kind::Text(_) => self.text(node, example).map(|text| (node, text)).into_iter().collect(),
            _ => {
                self.unexpected(node, "a list of texts", example);
                Vec::new()
            }
        }
    }

    pub(super) fn bool(&mut self, node: &Node) -> Option<bool> {
        match node.kind {
            Kind::Bool(value) => {
                self.show(node);
                Some(value)
            }
            _ => {
                self.unexpected(node, "true or false", "true or false, without quotes");
                None
            }
        }
    }

    /// A text or a number, as text, that may be seen.
    pub(super) fn plain<'n>(&mut self, node: &'n Node, wanted: &str, example: &str) -> Option<&'n str> {
        match &node.kind {
            Kind::Text(text) | Kind::Number(text) if !is_address(text) => {
                self.show(node);
                Some(text)
            }
            _ => {
                self.unexpected(node, wanted, example);
                None
            }
        }
    }

    pub(super) fn path(&mut self, node: &Node) -> Option<PathBuf> {
        let text = self.text(node, "a path in quotes")?;
        if text.is_empty() || text.contains('\0') {
            self.wrong(&node.span, "this is no path", "write the path of a file, or leave it out");
            return None;
        }
        Some(self.folder.join(text))
    }

    /// One of these texts.
    pub(super) fn choice(&mut self, node: &Node, choices: &'static [&'static str]) -> Option<&'static str> {
        let all = choices.iter().map(|choice| format!("\"{choice}\"")).collect::<Vec<_>>().join(" or ");
        let text = self.text(node, &all)?;
        let found = choices.iter().find(|choice| **choice == text).copied();
        if found.is_none() {
            let hint = did_you_mean(text, choices.iter().copied()).unwrap_or_else(|| format!("write {all}"));
            self.wrong(&node.span, format!("`{}` is none of {all}", printable(text)), hint);
        }
        found
    }

    /// The entries of a table.
    pub(super) fn table<'n>(&mut self, node: &'n Node, section: &Section) -> Option<&'n [Entry]> {
        match &node.kind {
            Kind::Table(entries) => Some(entries),
            _ => {
                self.unexpected(node, "a table", &format!("{}, or name = value pairs in braces", section.what));
                None
            }
        }
    }

    /// Tells of required fields that are not there.
    pub(super) fn missing(&mut self, entries: &[Entry], section: &Section, span: &Range<usize>) {
        for field in section.fields.iter().filter(|field| field.required) {
            if !self.broken && !entries.iter().any(|entry| entry.name == field.name) {
                let problem = format!("{} lacks its `{}`", section.what, field.name);
                self.wrong(span, problem, format!("add {} = ...: {}", field.name, field.help));
            }
        }
    }

    /// A name that the section does not have.
    pub(super) fn unknown(&mut self, entry: &Entry, section: &Section, secret: bool) {
        let lost = self.broken && section.what == record::FILE.what && record::home_of(&entry.name).is_some();
        if lost {
            // Its section is what is broken.
            return;
        }
        let own = || section.fields.iter().map(|field| field.name);
        let specs = section.options.specs();
        let names = || {
            own().chain(specs.iter().flat_map(|spec| std::iter::once(spec.name).chain(spec.aliases.iter().copied())))
        };
        let near = nearest(&entry.name, names());
        // Where a secret is wanted, a name may be the secret itself.
        let shown = if secret && near.is_none() { MASK.to_owned() } else { printable(&entry.name) };
        if shown == MASK {
            self.hidden.hide(entry.span.clone(), MASK);
        }
        let problem = format!("there is no `{shown}` in {}", section.what);
        let top = record::FILE.fields.iter().find(|field| field.name == entry.name);
        let elsewhere = || record::home_of(&entry.name);
        let hint = match (near, top) {
            (_, Some(field)) if section.what != record::FILE.what => {
                format!("`{}` stands at the top of the file, before the first [section]", field.name)
            }
            _ if !secret && elsewhere().is_some() => {
                format!("it is said in {}", elsewhere().unwrap_or_default())
            }
            (Some(near), _) => format!("did you mean `{near}`?"),
            _ if specs.is_empty() => format!("it has {}", own().collect::<Vec<_>>().join(", ")),
            _ => format!("docs/outflow.reference.toml lists everything that {} has", section.what),
        };
        self.wrong(&entry.span, problem, hint);
    }

    /// Tells everything: mistakes if there are any, else warnings.
    pub(super) fn finish(mut self, root: &Node) -> (Vec<Mistake>, Vec<Mistake>) {
        let mut spans = Vec::new();
        root.plain(&mut spans);
        for span in spans.into_iter().filter(|span| !self.clear.contains(&span.start)) {
            let quoted = self.text.get(span.clone()).is_some_and(|text| text.starts_with(['"', '\'']));
            self.hidden.hide(span, if quoted { "\"****\"" } else { MASK });
        }
        if self.broken {
            self.hidden = syntax::hidden(self.text);
        }
        let (file, text, hidden) = (self.file, self.text, self.hidden);
        let tell = |list: Vec<Raw>| {
            let mut told: Vec<(usize, Mistake)> = list
                .into_iter()
                .map(|raw| {
                    let (start, place) = match raw.at {
                        At::Span(span) => (span.start + 1, hidden.place(file, text, span)),
                        At::Named(name) => (0, Place::Named(name)),
                    };
                    (start, Mistake { place, problem: raw.problem, hint: raw.hint })
                })
                .collect();
            told.sort_by_key(|(start, _)| *start);
            let mut told: Vec<Mistake> = told.into_iter().map(|(_, mistake)| mistake).collect();
            told.dedup();
            told
        };
        (tell(self.mistakes), tell(self.warnings))
    }
}

/// True for what may be a URL with a key in it, pasted in the wrong place.
pub(super) fn is_address(text: &str) -> bool {
    text.contains("://") || text.contains('?')
}

/// Control characters would play with the terminal, and a long text hides what matters.
pub(super) fn printable(text: &str) -> String {
    if is_address(text) { MASK.to_owned() } else { clean(text) }
}

/// The same for what holds no secret any more.
pub(super) fn clean(text: &str) -> String {
    let mut shown: String =
        text.chars().take(80).map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect();
    if shown.len() < text.len() && text.chars().nth(80).is_some() {
        shown.push('…');
    }
    shown
}

/// The folder of a file.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}
