//! Words to links: which track of which node goes where, by GPAC's rules.
//!
//! Each track goes to the first matching word after it that is no sink and names no source of its own, else to all such
//! sinks of its session. `SID=` (or `@`) takes tracks from the words it names and from no other. A new source after a
//! sink opens a new session.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::streams::make_streams;
use super::{
    Graph, GraphNode, Link, NodeId, Pace, Role, Session, Track, conflict, may_end, passes_everything, source_tracks,
};
use crate::encode::Takes;
use crate::error::SpecError;
use crate::media::Kind;
use crate::node::Node;
use crate::options::suggest::did_you_mean;

/// Media taken from a word by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `SID=id`, with the kind of `#video` or `#audio`.
    Id(String, Option<Kind>),
    /// `@N`: N words before the previous one.
    Back(usize, Option<Kind>),
}

/// One word as parsed, before it is linked.
#[derive(Debug, Clone)]
pub struct Declared {
    /// URL, options and a name, which becomes unique here.
    pub node: Node,
    /// True if the name was typed.
    pub named: bool,
    /// What it is.
    pub role: Role,
    /// `FID=`
    pub id: Option<String>,
    /// `SID=` and `@`.
    pub takes: Vec<Reference>,
}

/// Links the words. Gives the graph and its warnings, or every mistake found.
pub fn link(declared: Vec<Declared>) -> Result<(Graph, Vec<SpecError>), Vec<SpecError>> {
    let mut linker = Linker::new(declared);
    linker.find_references();
    linker.follow_tracks();
    // A link that names nobody leaves words unconnected: that has been told.
    if linker.errors.is_empty() {
        linker.check();
    }
    linker.set_paces();
    linker.name_nodes();
    let Linker { mut graph, mut errors, warnings, .. } = linker;
    errors.extend(conflict::find(&graph));
    if errors.is_empty() {
        make_streams(&mut graph);
        Ok((graph, warnings))
    } else {
        Err(errors)
    }
}

struct Linker {
    graph: Graph,
    ids: Vec<Option<String>>,
    takes: Vec<Vec<Reference>>,
    named: Vec<bool>,
    /// For each node, the earlier nodes that it names, with the kind wanted; `None` if it names none.
    explicit: Vec<Option<Vec<(usize, Option<Kind>)>>>,
    /// Raw tracks that nothing took: (node, kind).
    stranded: Vec<(usize, Kind)>,
    errors: Vec<SpecError>,
    warnings: Vec<SpecError>,
}

impl Linker {
    fn new(declared: Vec<Declared>) -> Self {
        let mut graph = Graph::default();
        let (mut ids, mut takes, mut named) = (vec![], vec![], vec![]);
        for word in declared {
            let has_sink = graph.sessions.last().is_some_and(|session| !session.sinks.is_empty());
            if graph.sessions.is_empty() || (word.role.is_source() && has_sink) {
                graph.sessions.push(Session::default());
            }
            let (id, number) = (NodeId(graph.nodes.len()), graph.sessions.len() - 1);
            if let Some(session) = graph.sessions.last_mut() {
                match word.role {
                    Role::Source(_) => session.sources.push(id),
                    Role::Sink(kind) => {
                        session.sinks.push(id);
                        session.live |= kind.live;
                    }
                    Role::Filter(_) | Role::Encoder(_) => {}
                }
            }
            graph.nodes.push(GraphNode { node: word.node, role: word.role, session: number });
            ids.push(word.id);
            takes.push(word.takes);
            named.push(word.named);
        }
        let explicit = vec![None; graph.nodes.len()];
        Self { graph, ids, takes, named, explicit, stranded: vec![], errors: vec![], warnings: vec![] }
    }

    fn fail(&mut self, at: usize, problem: impl Into<String>, hint: impl Into<String>) {
        let error = self.graph.nodes[at].node.error(problem).hint(hint);
        self.errors.push(error);
    }

    /// "word 3 `avgen`"
    fn word(&self, at: usize) -> String {
        let node = &self.graph.nodes[at].node;
        format!("word {} `{}`", node.index, node.word)
    }

    fn session(&self, at: usize) -> usize {
        self.graph.nodes[at].session
    }

    fn find_references(&mut self) {
        let mut known: HashMap<String, usize> = HashMap::new();
        for (at, id) in self.ids.clone().into_iter().enumerate() {
            let Some(id) = id else { continue };
            if let Some(&first) = known.get(&id) {
                let problem = format!("FID={id} is taken by {}", self.word(first));
                self.fail(at, problem, "give each word an id of its own");
            } else {
                known.insert(id, at);
            }
        }
        for at in 0..self.graph.nodes.len() {
            let takes = std::mem::take(&mut self.takes[at]);
            if takes.is_empty() {
                continue;
            }
            if self.graph.nodes[at].role.is_source() {
                self.fail(at, "a source takes no media from other words", "leave SID= and `@` out before a source");
                continue;
            }
            let found: Vec<_> = takes.iter().filter_map(|reference| self.resolve(at, reference, &known)).collect();
            self.explicit[at] = Some(found);
        }
    }

    fn resolve(
        &mut self,
        at: usize,
        reference: &Reference,
        known: &HashMap<String, usize>,
    ) -> Option<(usize, Option<Kind>)> {
        let (from, kind, typed) = match reference {
            Reference::Id(id, kind) => match known.get(id) {
                Some(&from) => (from, *kind, format!("SID={id}")),
                None => {
                    let names = known.keys().map(String::as_str);
                    let hint = did_you_mean(id, names)
                        .unwrap_or_else(|| format!("write FID={id} on the word that gives the media"));
                    self.fail(at, format!("no word has FID={id}"), hint);
                    return None;
                }
            },
            Reference::Back(back, kind) => {
                let typed = if *back == 0 { "@".to_owned() } else { format!("@{back}") };
                match at.checked_sub(back + 1) {
                    Some(from) => (from, *kind, typed),
                    None => {
                        self.fail(
                            at,
                            format!("`{typed}` reaches before the first word"),
                            "`@` means the previous word",
                        );
                        return None;
                    }
                }
            }
        };
        let other = self.word(from);
        if from >= at {
            self.fail(at, format!("{typed} names {other}, which comes later"), "put the word that gives media first");
        } else if self.graph.nodes[from].role.is_sink() {
            self.fail(at, format!("{typed} names {other}, an output"), "name a source, an encoder or a filter");
        } else if self.session(from) != self.session(at) {
            let hint = "a new source after an output opens a new session: put this word before that source";
            self.fail(at, format!("{typed} names {other} of another session"), hint);
        } else {
            return Some((from, kind));
        }
        None
    }

    /// What a node gives, once everything that reaches it is known.
    fn tracks_of(&self, at: usize) -> BTreeSet<Track> {
        let entry = &self.graph.nodes[at];
        let inputs = || self.graph.links.iter().filter(|link| link.to == NodeId(at)).map(|link| link.track);
        match entry.role {
            Role::Source(kind) => source_tracks(kind, &entry.node).into_iter().collect(),
            Role::Encoder(_) => inputs().map(|track| Track { raw: false, ..track }).collect(),
            Role::Filter(_) => inputs().collect(),
            Role::Sink(_) => BTreeSet::new(),
        }
    }

    fn takes_track(&self, at: usize, track: Track) -> bool {
        match self.graph.nodes[at].role {
            Role::Source(_) => false,
            Role::Encoder(kind) => {
                track.raw
                    && match kind.takes {
                        Takes::Video => track.kind == Kind::Video,
                        Takes::Audio => track.kind == Kind::Audio,
                    }
            }
            Role::Filter(_) => !track.raw || passes_everything(&self.graph.nodes[at].role),
            Role::Sink(_) => !track.raw,
        }
    }

    fn follow_tracks(&mut self) {
        for at in 0..self.graph.nodes.len() {
            for track in self.tracks_of(at) {
                let takers = self.takers(at, track);
                if takers.is_empty() && track.raw {
                    self.stranded.push((at, track.kind));
                }
                let links = takers.into_iter().map(|to| Link { from: NodeId(at), to: NodeId(to), track });
                self.graph.links.extend(links);
            }
        }
    }

    fn takers(&self, at: usize, track: Track) -> BTreeSet<usize> {
        let named = |to: usize| {
            self.explicit[to].as_ref().is_some_and(|takes| {
                takes.iter().any(|(from, kind)| *from == at && kind.is_none_or(|kind| kind == track.kind))
            })
        };
        let count = self.graph.nodes.len();
        let mut takers: BTreeSet<usize> = (0..count).filter(|&to| named(to) && self.takes_track(to, track)).collect();
        let free = |to: &usize| {
            self.session(*to) == self.session(at) && self.explicit[*to].is_none() && self.takes_track(*to, track)
        };
        let is_sink = |to: &usize| self.graph.nodes[*to].role.is_sink();
        match (at + 1..count).filter(|to| !is_sink(to)).find(free) {
            Some(next) => {
                takers.insert(next);
            }
            None => takers.extend((0..count).filter(is_sink).filter(free)),
        }
        takers
    }

    fn check(&mut self) {
        let strays: BTreeMap<usize, Vec<Kind>> = self.stranded.iter().fold(BTreeMap::new(), |mut map, (at, kind)| {
            map.entry(self.origin(*at)).or_insert_with(Vec::new).push(*kind);
            map
        });
        for (source, kinds) in &strays {
            self.fail_stranded(*source, kinds);
        }
        let stranded: BTreeSet<usize> = strays.keys().map(|source| self.session(*source)).collect();
        let endless: BTreeSet<usize> = (0..self.graph.sessions.len()).filter(|number| !self.has_end(*number)).collect();
        for at in 0..self.graph.nodes.len() {
            let role = self.graph.nodes[at].role;
            let session = self.session(at);
            let explained = stranded.contains(&session);
            let reached = role.is_source() || self.graph.links.iter().any(|link| link.to == NodeId(at));
            let left = self.graph.links.iter().any(|link| link.from == NodeId(at));
            if !reached {
                self.fail_unreached(at, explained);
            } else if endless.contains(&session) {
                if role.is_source() && !explained {
                    let hint = "add an output: `-o URL` (or `inspect` to only look at it)";
                    self.fail(at, "nothing takes this source's media", hint);
                }
            } else if !left && !role.is_sink() && !may_end(&role) && !explained {
                let hint = "nothing after it takes its media: look at the order of the words, SID= and `@`";
                self.fail(at, "not connected to any output", hint);
            }
            self.check_single(at);
        }
    }

    fn has_end(&self, session: usize) -> bool {
        self.graph.nodes.iter().any(|entry| entry.session == session && (entry.role.is_sink() || may_end(&entry.role)))
    }

    /// The source of raw media that reaches `at` through filters that pass it.
    fn origin(&self, at: usize) -> usize {
        let mut at = at;
        while !self.graph.nodes[at].role.is_source() {
            let Some(link) = self.graph.links.iter().find(|link| link.to == NodeId(at) && link.track.raw) else {
                break;
            };
            at = link.from.0;
        }
        at
    }

    fn fail_stranded(&mut self, source: usize, kinds: &[Kind]) {
        let (video, audio) = (kinds.contains(&Kind::Video), kinds.contains(&Kind::Audio));
        let (what, encoders) = match (video, audio) {
            (true, true) => ("raw pictures and sound", "c=avc c=aac"),
            (true, false) => ("raw pictures", "c=avc"),
            _ => ("raw sound", "c=aac"),
        };
        let other = match (video, audio) {
            (true, false) => ", or leave the picture out with `type=a`",
            (false, true) => ", or leave the sound out with `type=v`",
            _ => "",
        };
        let before = if self.graph.sessions[self.session(source)].sinks.is_empty() { "" } else { " before -o" };
        let hint = format!("add `{encoders}`{before}{other}");
        self.fail(source, format!("its {what} must be encoded before an output can take them"), hint);
    }

    fn fail_unreached(&mut self, at: usize, explained: bool) {
        let session = &self.graph.sessions[self.session(at)];
        let role = self.graph.nodes[at].role;
        if session.sources.is_empty() {
            return self.fail(at, "there is no source for it", "begin with a source: `-i URL`, or `avgen c=avc c=aac`");
        }
        if self.explicit[at].is_some() {
            if !self.errors.iter().any(|error| error.word_index == self.graph.nodes[at].node.index) {
                let hint = "look at its SID= or `@`, and at #video and #audio";
                self.fail(at, "the words it names give nothing that it takes", hint);
            }
            return;
        }
        if session.sources.first().is_some_and(|first| first.0 > at) && !role.is_sink() {
            return self.fail(at, "it stands before its source", "put the source first");
        }
        match role {
            Role::Encoder(kind) => self.fail_encoder(at, kind.takes),
            // One mistake, one error: the raw source has been told.
            _ if explained => {}
            Role::Sink(_) => self.fail(
                at,
                "nothing reaches this output",
                "every other word names its own source (SID=): write SID= here too, or give the source FID=",
            ),
            _ => {
                let hint = "another word took the media first: put it earlier, or link it with SID=";
                self.fail(at, "nothing reaches this filter", hint);
            }
        }
    }

    fn fail_encoder(&mut self, at: usize, takes: Takes) {
        let (kind, what) = match takes {
            Takes::Video => (Kind::Video, "pictures"),
            Takes::Audio => (Kind::Audio, "sound"),
        };
        let session = self.session(at);
        let raw = Track { kind, raw: true };
        let other = self.graph.links.iter().find(|link| {
            let to = &self.graph.nodes[link.to.0];
            link.track == raw && to.session == session && matches!(to.role, Role::Encoder(_))
        });
        if let Some(link) = other {
            let hint = "to encode the same media twice write FID= on the source and SID= on both encoders and outputs";
            let problem = format!("{} took the {what} already", self.word(link.to.0));
            return self.fail(at, problem, hint);
        }
        let sources = self.graph.sessions[session].sources.clone();
        let encoded = sources.iter().any(|source| {
            let entry = &self.graph.nodes[source.0];
            matches!(entry.role, Role::Source(record) if record.produces == crate::source::Produces::Encoded)
        });
        if encoded {
            let hint = "leave the encoder out: encoded media passes as it is (only raw sources such as avgen take one)";
            self.fail(at, "its source is encoded already, and media is never encoded twice", hint);
        } else {
            self.fail(at, format!("no raw {what} reach it"), "put it after a source that gives them");
        }
    }

    /// A stream carries one video and one audio, and an encoder one raw track.
    fn check_single(&mut self, at: usize) {
        for (kind, name) in [(Kind::Video, "video"), (Kind::Audio, "audio")] {
            for raw in [true, false] {
                let from = self
                    .graph
                    .links
                    .iter()
                    .filter(|link| link.to == NodeId(at) && link.track.kind == kind && (link.track.raw == raw));
                let from: Vec<usize> = from.map(|link| link.from.0).collect();
                if let [first, second, ..] = from[..] {
                    let problem = format!("{name} of {} and of {} both reach it", self.word(first), self.word(second));
                    let hint = format!(
                        "write FID=v and FID=a on the words that give the media, and SID=v#video,a#audio here, so that one \
                         {name} is left"
                    );
                    self.fail(at, problem, hint);
                    return;
                }
            }
        }
    }

    fn set_paces(&mut self) {
        for number in 0..self.graph.sessions.len() {
            let mut said: Option<(usize, bool)> = None;
            for at in 0..self.graph.nodes.len() {
                let entry = &self.graph.nodes[at];
                if entry.session != number || !passes_everything(&entry.role) {
                    continue;
                }
                let Some(rt) = entry.node.options.text("rt") else { continue };
                let free = rt == "off";
                match said {
                    Some((first, other)) if other != free => {
                        let problem = format!("{} says another pace for the same session", self.word(first));
                        self.fail(at, problem, "one `reframer:rt=` is enough");
                    }
                    _ => said = Some((at, free)),
                }
            }
            match said {
                Some((at, true)) => self.run_free(number, at),
                Some(_) => {}
                None => self.note_pace(number),
            }
        }
    }

    fn run_free(&mut self, number: usize, at: usize) {
        let session = &self.graph.sessions[number];
        let live =
            session.sinks.iter().find(|sink| matches!(self.graph.get(**sink).role, Role::Sink(kind) if kind.live));
        if let Some(live) = live {
            let problem = format!("rt=off runs free, but {} is a network output", self.word(live.0));
            return self.fail(at, problem, "leave rt=off out, or write to files and null only");
        }
        let paced = session
            .sources
            .iter()
            .find(|source| matches!(self.graph.get(**source).role, Role::Source(kind) if !kind.may_run_free));
        if let Some(paced) = paced {
            let problem = format!("rt=off has no effect: {} has a pace of its own", self.word(paced.0));
            self.warnings.push(self.graph.nodes[at].node.option_error("rt", problem));
            return;
        }
        self.graph.sessions[number].pace = Pace::Free;
    }

    fn note_pace(&mut self, number: usize) {
        let session = &self.graph.sessions[number];
        let free = session
            .sources
            .iter()
            .find(|source| matches!(self.graph.get(**source).role, Role::Source(kind) if kind.may_run_free));
        if let Some(source) = free {
            let mend = if session.live { "" } else { " (`reframer:rt=off` runs free)" };
            self.graph.notes.push(format!("{} runs in real time{mend}", self.word(source.0)));
        }
    }

    /// Makes names unique among nodes of one sort: `host`, then `host-2`.
    fn name_nodes(&mut self) {
        let mut taken: HashMap<(u8, String), usize> = HashMap::new();
        let sort = |role: &Role| match role {
            Role::Source(_) => 0,
            Role::Filter(_) => 1,
            Role::Encoder(_) => 2,
            Role::Sink(_) => 3u8,
        };
        for at in 0..self.graph.nodes.len() {
            if !self.named[at] {
                continue;
            }
            let key = (sort(&self.graph.nodes[at].role), self.graph.nodes[at].node.name.clone());
            match taken.get(&key) {
                Some(&first) => {
                    let problem = format!("the name `{}` is taken by {}", key.1, self.word(first));
                    self.fail(at, problem, "choose another name");
                }
                None => {
                    taken.insert(key, at);
                }
            }
        }
        let mut next: HashMap<(u8, String), usize> = HashMap::new();
        for at in (0..self.graph.nodes.len()).filter(|at| !self.named[*at]) {
            let sort = sort(&self.graph.nodes[at].role);
            let base = self.graph.nodes[at].node.name.clone();
            let number = next.entry((sort, base.clone())).or_insert(1);
            let name = loop {
                let name = if *number == 1 { base.clone() } else { format!("{base}-{number}") };
                *number += 1;
                if !taken.contains_key(&(sort, name.clone())) {
                    break name;
                }
            };
            taken.insert((sort, name.clone()), at);
            self.graph.nodes[at].node.name = name;
        }
    }
}
