//! Secrets of a file: literally, from a variable, from a file, or by name. Nothing that is read here is ever quoted.

use std::ops::Range;

use super::document::{Entry, Kind, Node};
use super::mistake::MASK;
use super::reader::{Reader, printable};
use super::record;
use crate::options::suggest::{did_you_mean, nearest};
use crate::options::{Type, value};
use crate::secret::Secret;

const FORMS: &str = "\"TEXT\", { env = \"NAME\" }, { file = \"PATH\" } or { secret = \"NAME\" }";

impl Reader<'_> {
    /// `[secrets]`: read first, since everything else may name them.
    pub(super) fn named_secrets(&mut self, node: &Node) {
        let Kind::Table(entries) = &node.kind else {
            return self.unexpected(node, "a table", "[secrets], and below it NAME = { env = \"VARIABLE\" }");
        };
        for entry in entries {
            self.secret_names.insert(entry.name.clone());
            let by_name = matches!(&entry.value.kind, Kind::Table(inner) if inner.iter().any(|e| e.name == "secret"));
            if by_name {
                let hint = "write { env = \"VARIABLE\" } or { file = \"PATH\" }";
                self.wrong(&entry.value.span, "a named secret can't be that of another name", hint);
            } else if let Some(secret) = self.secret(&entry.value) {
                self.secrets.insert(entry.name.clone(), secret);
            }
        }
    }

    /// A secret, and whether it stands in the document itself.
    pub(super) fn secret(&mut self, node: &Node) -> Option<Secret> {
        match &node.kind {
            Kind::Text(text) => {
                self.literal.get_or_insert(node.span.clone());
                self.literal_secret(text, &node.span)
            }
            Kind::Table(entries) => self.secret_elsewhere(entries, node),
            Kind::Number(_) | Kind::Date => {
                self.wrong(&node.span, "a secret is a text", "put it in quotes");
                None
            }
            Kind::Bool(_) | Kind::List(_) => {
                self.unexpected(node, "a secret", FORMS);
                None
            }
        }
    }

    fn literal_secret(&mut self, text: &str, span: &Range<usize>) -> Option<Secret> {
        for (typed, form) in
            [("env@", "{ env = \"NAME\" }"), ("file@", "{ file = \"PATH\" }"), ("fd@", "{ file = \"/dev/fd/N\" }")]
        {
            if text.starts_with(typed) {
                let hint = format!("write {form}");
                self.wrong(span, format!("`{typed}` is of the command line; a file has a form of its own"), hint);
                return None;
            }
        }
        self.checked(text, span, None)
    }

    fn checked(&mut self, text: &str, span: &Range<usize>, whence: Option<&str>) -> Option<Secret> {
        match value::parse(Type::Secret, text) {
            Ok(crate::options::Value::Secret(secret)) => Some(secret),
            Ok(_) => None,
            Err(_) if text.is_empty() => {
                match whence {
                    Some(whence) => self.wrong(span, format!("{whence} is empty"), "put the secret there"),
                    None => self.wrong(span, "the secret is empty", "write it, or leave the line out"),
                }
                None
            }
            Err(error) => {
                let problem = whence.map_or(error.problem.clone(), |whence| format!("{whence}: {}", error.problem));
                self.wrong(span, problem, error.hint.unwrap_or_default());
                None
            }
        }
    }

    fn secret_elsewhere(&mut self, entries: &[Entry], node: &Node) -> Option<Secret> {
        let mut found = None;
        let known = |entry: &&Entry| record::SECRET.fields.iter().any(|field| field.name == entry.name);
        for entry in entries.iter().filter(|entry| !known(entry)) {
            self.unknown(entry, &record::SECRET, true);
        }
        for (number, entry) in entries.iter().filter(known).enumerate() {
            if number > 0 {
                self.wrong(&entry.span, "a secret comes from one place only", "keep one of env, file and secret");
                continue;
            }
            found = match entry.name.as_str() {
                "env" => self.in_variable(&entry.value),
                "file" => self.in_file(&entry.value),
                _ => self.by_name(&entry.value),
            };
        }
        if entries.is_empty() {
            self.unexpected(node, "a secret", FORMS);
        }
        found
    }

    fn in_variable(&mut self, node: &Node) -> Option<Secret> {
        let Kind::Text(name) = &node.kind else {
            self.unexpected(node, "the name of a variable", "{ env = \"NAME\" }");
            return None;
        };
        // Somebody may have written the secret itself here.
        let upper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let visible =
            name.len() <= 40 && (name.bytes().all(upper) || name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        let shown = if visible { name.as_str() } else { MASK };
        if visible {
            self.show(node);
        }
        self.variables.insert(name.clone());
        let Some(text) = self.world.variable(name) else {
            let mend = if name.starts_with('$') {
                "write the name of the variable without $"
            } else {
                "set it and export it, or for a service put it in its environment file"
            };
            self.wrong(&node.span, format!("the environment variable {shown} is not set"), mend);
            return None;
        };
        self.checked(one_line(&text), &node.span, Some(&format!("the environment variable {shown}")))
    }

    fn in_file(&mut self, node: &Node) -> Option<Secret> {
        let Kind::Text(name) = &node.kind else {
            self.unexpected(node, "a path", "{ file = \"PATH\" }");
            return None;
        };
        let visible = name.contains(['/', '.']);
        let shown = if visible { printable(name) } else { MASK.to_owned() };
        if visible {
            self.show(node);
        }
        match self.world.read(&self.folder.join(name)) {
            Ok(text) => self.checked(one_line(&text), &node.span, Some(&format!("the file {shown}"))),
            Err(error) => {
                let hint = "a path that is not absolute begins at the folder of this file";
                self.wrong(&node.span, format!("the file {shown} can't be read: {error}"), hint);
                None
            }
        }
    }

    fn by_name(&mut self, node: &Node) -> Option<Secret> {
        let Kind::Text(name) = &node.kind else {
            self.unexpected(node, "a name in [secrets]", "{ secret = \"NAME\" }");
            return None;
        };
        if self.secret_names.contains(name) {
            self.show(node);
            // One that is there and could not be read was told where it stands.
            return self.secrets.get(name).cloned();
        }
        let names: Vec<String> = self.secret_names.iter().cloned().collect();
        let near = nearest(name, names.iter().map(String::as_str)).is_some();
        if near {
            self.show(node);
        }
        let shown = if near { name.as_str() } else { MASK };
        let hint = did_you_mean(name, names.iter().map(String::as_str))
            .unwrap_or_else(|| "add it below [secrets]: NAME = { env = \"VARIABLE\" }".to_owned());
        self.wrong(&node.span, format!("there is no secret `{shown}` in [secrets]"), hint);
        None
    }

    /// A secret, or a list of them; `None` where nothing could be read.
    pub(super) fn secret_list(&mut self, node: &Node) -> Vec<Secret> {
        match &node.kind {
            Kind::List(list) => {
                if list.is_empty() {
                    self.wrong(&node.span, "the list is empty", format!("write {FORMS}"));
                }
                list.iter().filter_map(|node| self.secret(node)).collect()
            }
            _ => self.secret(node).into_iter().collect(),
        }
    }
}

/// Without the line break that editors put at the end of a file.
fn one_line(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
}
