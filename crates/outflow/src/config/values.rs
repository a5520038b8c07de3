//! Values of other types than text: addresses, networks, counts, durations, and options typed by their record.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::document::{Kind, Node};
use super::reader::{Reader, is_address, printable};
use super::{Address, Network};
use crate::options::{OptionSpec, Type, Value, share, track, value};

/// The port where an address names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DefaultPort {
    Rtmp,
    Rtmps,
    Http,
}

impl DefaultPort {
    pub(super) fn number(self) -> u16 {
        match self {
            DefaultPort::Rtmp => 1935,
            DefaultPort::Rtmps => 1936,
            DefaultPort::Http => 1937,
        }
    }
}

/// Reads an address to listen on: `127.0.0.1:1935`, `[::1]:1935`, `localhost`, `:1935` and `*` for every address,
/// `none` for no port. The error is problem and mend.
pub(super) fn address(text: &str, default: DefaultPort) -> Result<Option<Address>, (String, String)> {
    address_at(text, default.number())
}

/// The same with this port where the address names none.
pub(super) fn address_at(text: &str, port: u16) -> Result<Option<Address>, (String, String)> {
    let mend = || format!("write 127.0.0.1:{port}, [::1]:{port}, or :{port} for every address");
    let wrong = || (format!("`{}` is no address to listen on", printable(text)), mend());
    if text == "none" {
        return Ok(None);
    }
    if text.is_empty() {
        return Err(wrong());
    }
    if text.contains("://") {
        return Err(("this is a URL, where an address is wanted".to_owned(), mend()));
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(Some(Address { ip: Some(ip), port }));
    }
    let (host, number) = match text.rsplit_once(':') {
        Some((host, number)) => {
            let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            if !digits {
                return Err(wrong());
            }
            let problem = || (format!("port {} is above 65535", printable(number)), mend());
            (host, number.parse::<u16>().map_err(|_| problem())?)
        }
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => return Err(wrong()),
        None => (text, port),
    };
    let ip = match host {
        "" | "*" => None,
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => {
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let ip = bare.unwrap_or(host).parse::<IpAddr>().ok().filter(|ip| ip.is_ipv4() == bare.is_none());
            Some(ip.ok_or_else(wrong)?)
        }
    };
    Ok(Some(Address { ip, port: number }))
}

/// Reads `10.0.0.0/8`, or an address that is a network of its own.
pub(super) fn network(text: &str) -> Option<Network> {
    let (ip, bits) = match text.split_once('/') {
        Some((ip, bits)) => (ip, Some(bits)),
        None => (text, None),
    };
    let ip: IpAddr = ip.parse().ok()?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) if !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|byte| byte.is_ascii_digit()) => {
            bits.parse::<u8>().ok().filter(|bits| *bits <= most)?
        }
        Some(_) => return None,
        None => most,
    };
    Some(Network { ip, bits })
}

impl Reader<'_> {
    pub(super) fn address(&mut self, node: &Node, default: DefaultPort) -> Option<Option<Address>> {
        let example = format!("\"127.0.0.1:{0}\", or \":{0}\" for every address", default.number());
        let text = self.text(node, &example)?;
        match address(text, default) {
            Ok(address) => Some(address),
            Err((problem, hint)) => {
                self.wrong(&node.span, problem, hint);
                None
            }
        }
    }

    pub(super) fn networks(&mut self, node: &Node) -> Vec<Network> {
        let mut found = Vec::new();
        for (node, text) in self.texts(node, "[\"10.0.0.0/8\"]") {
            match network(text) {
                Some(network) => found.push(network),
                None => {
                    let problem = format!("`{}` is no address and no network", printable(text));
                    self.wrong(&node.span, problem, "write \"192.0.2.7\", \"10.0.0.0/8\" or \"fd00::/8\"");
                }
            }
        }
        if matches!(&node.kind, Kind::List(list) if list.is_empty()) {
            self.warn(&node.span, "the list is empty: it keeps nobody out", "leave it out, or name a network");
        }
        found
    }

    pub(super) fn duration(&mut self, node: &Node) -> Option<Duration> {
        let text = self.plain(node, "a duration", "a duration such as \"250ms\", \"4s\", \"5min\" or \"2h\"")?;
        match value::duration(text) {
            Ok(duration) => Some(duration),
            Err(error) => {
                self.wrong(&node.span, error.problem, error.hint.unwrap_or_default());
                None
            }
        }
    }

    /// A whole number between these.
    pub(super) fn count(&mut self, node: &Node, least: u64, most: u64) -> Option<u64> {
        let text = self.plain(node, "a whole number", "a number such as 100 or \"1k\"")?;
        match value::number(text) {
            Ok(number) if number < least => {
                self.wrong(&node.span, format!("{number} is too little"), format!("write {least} or more"));
                None
            }
            Ok(number) if number > most => {
                self.wrong(&node.span, format!("{number} is too much"), format!("write {most} or less"));
                None
            }
            Ok(number) => Some(number),
            Err(error) => {
                self.wrong(&node.span, error.problem, error.hint.unwrap_or_default());
                None
            }
        }
    }

    /// An option of a record.
    pub(super) fn option(&mut self, spec: &'static OptionSpec, node: &Node) -> Option<Value> {
        if spec.ty == Type::Secret {
            return self.secret(node).map(Value::Secret);
        }
        let wanted = value::describe(spec.ty);
        let text = match (&node.kind, spec.ty) {
            (Kind::List(_), Type::List) => {
                let texts = self.texts(node, &wanted);
                return self.list(node, spec, texts.into_iter().map(|(_, text)| text.to_owned()).collect());
            }
            (Kind::Text(text), _) => text.clone(),
            (Kind::Number(text), ty) if !matches!(ty, Type::Text | Type::List | Type::Bool) => text.clone(),
            (Kind::Bool(value), Type::Bool) => if *value { "yes" } else { "no" }.to_owned(),
            _ => {
                self.unexpected(node, &wanted, &example(spec));
                return None;
            }
        };
        // An address of a page or an app may carry a token.
        if !is_address(&text) {
            self.show(node);
        } else if spec.ty != Type::Text {
            self.unexpected(node, &wanted, &example(spec));
            return None;
        }
        match value::parse(spec.ty, &text) {
            Ok(Value::List(list)) => self.list(node, spec, list),
            Ok(Value::Text(text)) if spec.name == "ca" => self.certificates(node, &text),
            Ok(Value::Count(bytes)) if spec.name == "chunk_size" && !(128..=65536).contains(&bytes) => {
                self.wrong(&node.span, format!("{bytes} is no chunk size"), "write 128 to 65536 bytes");
                None
            }
            Ok(Value::Count(times)) if spec.name == "burst" && share::burst(times).is_err() => {
                self.wrong(&node.span, format!("{times} times is no `burst`"), share::LOOKS);
                None
            }
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(&node.span, error.problem, error.hint.unwrap_or_default());
                None
            }
        }
    }

    fn list(&mut self, node: &Node, spec: &OptionSpec, list: Vec<String>) -> Option<Value> {
        if spec.name == "tracks" {
            let looks = "write \"video\", \"audio\", \"video:1\", \"audio:2\" ...";
            if let Some((name, problem)) = list.iter().find_map(|name| Some((name, track::parse(name).err()?))) {
                // Whoever wrote an address there by mistake may have written a key.
                let is_shown = printable(name) == *name;
                let problem = if is_shown { problem } else { format!("`{}` is no track", printable(name)) };
                self.wrong(&node.span, problem, looks);
                return None;
            }
            if let Some(problem) = track::repeated(&list) {
                self.wrong(&node.span, problem, "name each track once");
                return None;
            }
            if list.is_empty() {
                self.wrong(&node.span, "the list is empty", "leave it out to send all tracks");
                return None;
            }
        }
        Some(Value::List(list))
    }

    /// `ca`: read here only to say early that it can't be.
    fn certificates(&mut self, node: &Node, text: &str) -> Option<Value> {
        let path = self.folder.join(text);
        if let Err(error) = self.world.read(&path) {
            self.wrong(&node.span, format!("the file can't be read: {error}"), "name a PEM file of certificates");
            return None;
        }
        Some(Value::Text(path.to_string_lossy().into_owned()))
    }
}

/// How a value of an option may be written.
fn example(spec: &OptionSpec) -> String {
    match spec.ty {
        Type::Bool => "true or false, without quotes".into(),
        Type::Count | Type::Rate => "a number such as 3 or \"2k\"".into(),
        Type::Duration => "a duration such as \"250ms\", \"4s\" or \"5min\"".into(),
        Type::List => "a list such as [\"video\", \"audio\"]".into(),
        Type::Choice(choices) => {
            let names = choices.iter().filter_map(|choice| choice.split('|').next());
            names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" or ")
        }
        _ => "a text in quotes".into(),
    }
}
