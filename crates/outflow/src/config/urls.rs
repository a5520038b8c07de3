//! URLs of a file: checked, and quoted without their keys.

use outflow_rtmp::error::ErrorKind;
use outflow_rtmp::url::{Host, RtmpUrl};

use super::document::{Kind, Node};
use super::mistake::MASK;
use super::reader::{Reader, clean, printable};
use super::template;
use crate::node::MediaUrl;
use crate::options::suggest::did_you_mean;
use crate::secret::Secret;

const RTMP: &[&str] = &["rtmp", "rtmps"];
const HTTP: &[&str] = &["http", "https"];

impl Reader<'_> {
    /// A URL as it is: its text, and whether it stands in the document itself.
    /// One of another scheme is not quoted: nobody knows what of it is a key.
    fn raw_url(&mut self, node: &Node, schemes: &[&str]) -> Option<(Secret, bool)> {
        let Kind::Text(text) = &node.kind else { return Some((self.secret(node)?, false)) };
        let parsed = MediaUrl::output(text);
        if parsed.scheme.as_deref().is_some_and(|scheme| schemes.contains(&scheme)) {
            let shown = parsed.shown;
            if shown != *text {
                self.literal.get_or_insert(node.span.clone());
            }
            self.show_as(node, &clean(&shown));
        }
        if text.is_empty() {
            self.wrong(&node.span, "the URL is empty", "write it");
            return None;
        }
        Some((Secret::new(text.as_str()), true))
    }

    /// The `rtmp://` or `rtmps://` URL of an output, which may have templates.
    pub(super) fn output_url(&mut self, node: &Node) -> Option<Secret> {
        let (url, here) = self.raw_url(node, RTMP)?;
        let raw = url.expose();
        self.templates(raw, node, here)?;
        let rest = raw.split_once("://").map_or("", |(_, rest)| rest);
        if rest.split(['/', '?', '#']).next().unwrap_or_default().contains("${") {
            let hint = "write the server itself; templates are for the path and the key";
            self.wrong(&node.span, "the name of a stream can't choose the server", hint);
            return None;
        }
        self.rtmp(&raw.replace("${app}", "app").replace("${name}", "name"), node)?;
        Some(url)
    }

    /// The URL of a pull.
    pub(super) fn pull_url(&mut self, node: &Node) -> Option<Secret> {
        let (url, _) = self.raw_url(node, RTMP)?;
        if url.expose().contains("${") {
            self.wrong(&node.span, "templates are for outputs only", "write the URL of the one stream");
            return None;
        }
        self.rtmp(url.expose(), node)?;
        Some(url)
    }

    /// The URL of a hook.
    pub(super) fn http_url(&mut self, node: &Node) -> Option<Secret> {
        let (url, _) = self.raw_url(node, HTTP)?;
        let parsed = MediaUrl::output(url.expose());
        let blank = url.expose().chars().any(|c| c.is_whitespace() || c.is_control());
        let hint = "write http://HOST:PORT/PATH or https://HOST/PATH";
        if !matches!(parsed.scheme.as_deref(), Some("http" | "https")) {
            self.wrong(&node.span, "a hook is called over http:// or https://", hint);
        } else if blank {
            self.wrong(&node.span, "the URL holds a blank", "write it without");
        } else if parsed.host().is_none_or(str::is_empty) {
            self.wrong(&node.span, "the URL names no host", hint);
        } else if let Some((problem, _)) = parsed.authority_problem() {
            self.wrong(&node.span, problem, hint);
        } else {
            return Some(url);
        }
        None
    }

    /// The key of an output, which may have templates.
    pub(super) fn output_key(&mut self, node: &Node) -> Option<Secret> {
        let key = self.secret(node)?;
        let here = matches!(node.kind, Kind::Text(_));
        if here {
            self.templates(key.expose(), node, here)?;
        }
        Some(key)
    }

    /// Templates that can't be filled.
    fn templates(&mut self, text: &str, node: &Node, here: bool) -> Option<()> {
        let Some(inner) = template::unknown(text) else { return Some(()) };
        let all = "templates are ${app} and ${name}";
        match inner {
            None => self.wrong(&node.span, "a `${` is not closed", format!("{all}; close it with a brace")),
            Some(name) => {
                let near = did_you_mean(name, template::VARIABLES.iter().copied());
                // It may be part of a key.
                let shown = if here && near.is_some() { printable(name) } else { MASK.to_owned() };
                let hint = near.map_or(all.to_owned(), |near| {
                    near.replace('`', "").replace("mean ", "mean ${").replace('?', "}?")
                });
                self.wrong(&node.span, format!("there is no template `${{{shown}}}`"), hint);
            }
        }
        None
    }

    fn rtmp(&mut self, text: &str, node: &Node) -> Option<()> {
        let url = match RtmpUrl::parse(text) {
            Ok(url) => url,
            Err(error) => {
                let (problem, mend) = match &error.kind {
                    ErrorKind::BadUrl { problem, mend } => ((*problem).to_owned(), *mend),
                    other => (other.to_string(), "write rtmp://HOST/APP or rtmps://HOST/APP"),
                };
                self.wrong(&node.span, format!("the URL can't be used: {problem}"), mend);
                return None;
            }
        };
        if url.host() == Host::Any {
            self.wrong(&node.span, "the URL names no host", "write rtmp://HOST/APP or rtmps://HOST/APP");
            return None;
        }
        if url.port() == Some(0) {
            self.wrong(&node.span, "nobody listens on port 0", "write the server's port, or leave it out");
            return None;
        }
        Some(())
    }
}
