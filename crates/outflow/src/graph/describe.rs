//! `-graph`: the links as text, in the style of GPAC's report.

use std::collections::BTreeSet;

use super::{Graph, Link, NodeId, Role, Track};
use crate::media::Kind;

impl Graph {
    /// The links as GPAC reports them: one line for each, as many `-` as it is far from its source. No secrets.
    pub fn describe(&self) -> String {
        let mut text = String::from("Filters connected:\n");
        for id in self.ids().filter(|id| self.get(*id).role.is_source()) {
            text.push_str(&format!(" {}\n", self.label(id)));
            self.describe_below(id, 1, &mut text, &mut BTreeSet::new());
        }
        for (number, stream) in self.streams.iter().enumerate() {
            let names: Vec<&str> = stream.sinks.iter().map(|sink| self.get(*sink).node.name.as_str()).collect();
            text.push_str(&format!("Stream {}: {}\n", number + 1, names.join(", ")));
        }
        text
    }

    fn describe_below(&self, from: NodeId, depth: usize, text: &mut String, told: &mut BTreeSet<NodeId>) {
        // What follows a word is told once, where it stands first: words may be reached on many ways.
        if !told.insert(from) {
            return;
        }
        let mut targets: Vec<NodeId> = self.links.iter().filter(|link| link.from == from).map(|link| link.to).collect();
        targets.sort_unstable();
        targets.dedup();
        let dashes = "-".repeat(depth);
        for to in targets {
            let links = || self.links.iter().filter(move |link| link.from == from && link.to == to);
            let count = links().count();
            for (number, Link { track, .. }) in links().enumerate() {
                let pid = format!(" {dashes}(PID {})", pid_name(*track));
                match (count, number + 1 == count) {
                    (1, _) => text.push_str(&format!("{pid} {}\n", self.label(to))),
                    (_, false) => text.push_str(&format!("{pid}\\\n")),
                    (_, true) => text.push_str(&format!("{pid}-> {}\n", self.label(to))),
                }
            }
            self.describe_below(to, depth + 1, text, told);
        }
    }

    /// `enc "c=avc" (c=avc:b=1m) (idx=2)`, secrets masked.
    fn label(&self, id: NodeId) -> String {
        let entry = self.get(id);
        let node = &entry.node;
        let kind = entry.role.kind();
        let arguments = match (&node.url, entry.role) {
            (Some(_), Role::Source(_)) => format!("src={}", node.word),
            (Some(_), _) => format!("dst={}", node.word),
            _ => node.word.split_once(':').map(|(_, options)| options.to_owned()).unwrap_or_default(),
        };
        let name = match entry.role {
            Role::Encoder(_) => format!("enc \"c={kind}\""),
            _ if node.name == kind => format!("\"{kind}\""),
            _ => format!("{kind} \"{}\"", node.name),
        };
        let arguments = if arguments.is_empty() { String::new() } else { format!(" ({arguments})") };
        format!("{name}{arguments} (idx={})", id.0 + 1)
    }
}

fn pid_name(track: Track) -> &'static str {
    match track.kind {
        Kind::Video => "video",
        Kind::Audio => "audio",
        Kind::Data => "data",
    }
}
