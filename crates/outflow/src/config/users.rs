//! `[users]`, and who of them a stream lets in.

use super::document::{Kind, Node};
use super::file::Draft;
use super::reader::{Reader, printable};
use crate::options::suggest::did_you_mean;
use crate::secret::Secret;

/// Longest name of a user, in bytes.
const LONGEST: usize = 64;

impl Reader<'_> {
    /// `[users]`: names and passwords. Read before the streams, which name them.
    pub(super) fn users(&mut self, node: &Node, draft: &mut Draft) {
        let Kind::Table(entries) = &node.kind else {
            return self.unexpected(node, "a table", "[users], and below it NAME = { env = \"VARIABLE\" }");
        };
        for entry in entries {
            // Clients put it between `user=` and `&` as it is.
            let strange = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '&' | '?' | '#' | '/');
            if entry.name.is_empty() || entry.name.len() > LONGEST || entry.name.contains(strange) {
                let problem = format!("`{}` can't be the name of a user", printable(&entry.name));
                self.wrong(&entry.span, problem, "use up to 64 bytes, without blanks and & ? # /");
            }
            // One whose password can't be read was told; streams may name it all the same.
            let password = self.secret(&entry.value).unwrap_or(Secret::new(""));
            draft.config.users.insert(entry.name.clone(), password);
        }
    }

    /// `publish_user` and `play_user`: one user, or a list of them.
    pub(super) fn users_of(&mut self, node: &Node, draft: &Draft) -> Vec<String> {
        let mut users: Vec<String> = Vec::new();
        if matches!(&node.kind, Kind::List(list) if list.is_empty()) {
            self.wrong(&node.span, "the list is empty", "name a user of [users], or leave the line out");
        }
        for (node, name) in self.texts(node, "[\"alice\"]") {
            if !draft.config.users.contains_key(name) {
                let hint = did_you_mean(name, draft.config.users.keys().map(String::as_str)).unwrap_or_else(|| {
                    "add it below [users]: NAME = { env = \"VARIABLE\" }, the variable holding the password".to_owned()
                });
                self.wrong(&node.span, format!("there is no user `{}` in [users]", printable(name)), hint);
            } else if !users.iter().any(|user| user == name) {
                users.push(name.to_owned());
            }
        }
        users
    }
}
