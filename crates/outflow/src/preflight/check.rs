//! `outflow check`: everything of a graph or a file that can be known before the show, in one table.

use std::sync::Arc;
use std::time::{Duration, Instant};

use outflow_rtmp::session::Role;
use tokio::task::JoinSet;

use super::bandwidth::media::Shape;
use super::bandwidth::{self, Bandwidth, Sending};
use super::cost::{Relayed, Words};
use super::finding::{Finding, Report, Verdict};
use super::{cost, media, ports, publish, rules, stages};
use crate::config::{Config, OutputRule, StreamId};
use crate::env::Env;
use crate::graph::look::{Looked, Patience, look};
use crate::graph::{self, Graph};
use crate::limits::Limits;
use crate::media::meter::Facts;
use crate::net::dial::Resolver;
use crate::node::{MediaUrl, Node};
use crate::options::platforms::Platform;
use crate::options::{self, Options};
use crate::relay;
use crate::sink::{SinkKind, rtmp_listen, rtmp_push};
use crate::source::rtmp_pull;

/// What to look at.
#[derive(Debug)]
pub struct Check {
    /// A graph, or the file of `serve`.
    pub what: What,
    /// What the line carries upwards, in bits per second.
    pub uplink: Option<u64>,
    /// What an output sends whose stream can't be looked at, in bits per second.
    pub rate: Option<u64>,
    /// The far side, if all outputs are to be sent there at once.
    pub bandwidth: Option<Bandwidth>,
    /// Names of outputs on which the publish itself is tried.
    pub publish: Vec<String>,
    /// Whether all of it is to be run to see what it costs, and for how long each time.
    pub cost: Option<(Cost, Duration)>,
    /// What peers may cost; a configuration has its own.
    pub limits: Limits,
    /// As JSON.
    pub json: bool,
}

/// What is run to see what it costs.
#[derive(Debug)]
pub enum Cost {
    /// The graph of these words.
    Words(Words),
    /// The relay of the configuration.
    Relay,
}

/// What `check` can look at.
#[derive(Debug)]
pub enum What {
    /// Words.
    Graph(Box<Graph>),
    /// A configuration.
    Config(Box<Config>),
}

/// The longest that the stages of one output may take: others are told all the same.
const OUTPUT: Duration = Duration::from_secs(20);
/// The longest that a publish may take after that.
const PUBLISH: Duration = Duration::from_secs(8);
/// Outputs that are looked at at once.
const AT_ONCE: usize = 64;

/// One output, whatever said it.
struct Output {
    name: String,
    kind: &'static SinkKind,
    node: Node,
    platform: Option<&'static Platform>,
    /// What it would send, if that could be looked at.
    facts: Option<Facts>,
}

impl Output {
    fn new(name: &str, kind: &'static SinkKind, node: Node) -> Self {
        Self { name: name.to_owned(), kind, platform: node.platform(), node, facts: None }
    }

    fn is_push(&self) -> bool {
        self.kind.name == rtmp_push::KIND.name
    }

    /// What it sends: as it was seen, else as it was said.
    fn bps(&self, said: Option<u64>) -> Option<u64> {
        self.facts.as_ref().map(|facts| facts.bitrate_bps).or(said).filter(|bps| *bps > 0)
    }

    /// The same as a path of the bandwidth test.
    fn sending(&self, said: Option<u64>) -> Option<Sending> {
        let video = self.facts.as_ref().and_then(|facts| facts.video.as_ref());
        Some(Sending {
            name: self.name.clone(),
            bps: self.bps(said)?,
            fps: video.map(|video| video.fps),
            key_interval: video.and_then(|video| video.key_interval),
            options: self.node.options.clone(),
        })
    }
}

impl Check {
    /// Name and masked URL of every output that could be published to.
    pub fn pushes(&self) -> Vec<(String, String)> {
        let shown = |output: Output| {
            let url = output.node.url.as_ref().map(|url| url.shown.clone()).unwrap_or_default();
            (output.name, url)
        };
        self.outputs().into_iter().map(|(output, _)| output).filter(Output::is_push).map(shown).collect()
    }

    /// Every output, and where in the graph or of which stream it is.
    fn outputs(&self) -> Vec<(Output, Place)> {
        match &self.what {
            What::Graph(graph) => {
                let sinks = graph.ids().filter_map(|id| match graph.get(id).role {
                    graph::Role::Sink(kind) => {
                        let node = &graph.get(id).node;
                        Some((Output::new(&node.name, kind, node.clone()), Place::Sink(id)))
                    }
                    _ => None,
                });
                sinks.collect()
            }
            What::Config(config) => {
                let of = |rule: &OutputRule| {
                    // What a pattern leaves open is the same to the server, up to the connect.
                    let id = StreamId::parse(&rule.stream.words().join("/").replace('*', "any"))?;
                    let (kind, node) = relay::word(rule, &id)?;
                    Some((Output::new(&rule.name, kind, node), Place::Stream(rule.stream.exact())))
                };
                config.outputs.iter().filter_map(of).collect()
            }
        }
    }
}

/// Where an output gets its stream.
enum Place {
    Sink(graph::NodeId),
    Stream(Option<StreamId>),
}

/// Looks at everything at once. Publishes nothing but what `publish` names.
pub async fn check(check: Check, resolver: Arc<dyn Resolver>) -> Report {
    let begin = Instant::now();
    let env = Env::within(check.limits.clone(), resolver, Arc::new(|_| {}));
    let mut outputs = check.outputs();
    // Ports are tried before the inputs take theirs.
    let mut ports = Vec::new();
    for (output, _) in outputs.iter().filter(|(output, _)| output.kind.name == rtmp_listen::KIND.name) {
        ports.push(port(output, &env).await);
    }
    let inputs = async {
        match &check.what {
            What::Graph(graph) => of_graph(graph, &env).await,
            What::Config(config) => of_config(config, &env).await,
        }
    };
    let stages = async {
        let mut stages = JoinSet::new();
        for (place, (output, _)) in outputs.iter().enumerate().filter(|(_, (output, _))| output.is_push()) {
            let asked = check.publish.contains(&output.name);
            let (node, name, platform) = (output.node.clone(), output.name.clone(), output.platform);
            let env = env.clone();
            let turn = place / AT_ONCE;
            stages.spawn(async move {
                // Hundreds of outputs would crowd each other: later ones begin a little later.
                tokio::time::sleep(Duration::from_millis(100) * u32::try_from(turn).unwrap_or(0)).await;
                (place, push(&node, &name, platform, asked, &env).await)
            });
        }
        let mut found = stages.join_all().await;
        found.sort_by_key(|(place, _)| *place);
        found
    };
    let (inputs, mut stages) = tokio::join!(inputs, stages);
    let mut findings = inputs.findings;
    for (output, place) in &mut outputs {
        output.facts = inputs.streams.iter().find(|stream| stream.feeds(place)).and_then(|stream| stream.facts.clone());
    }
    let mut ports = ports.into_iter();
    for (number, (output, _)) in outputs.iter().enumerate() {
        let who = &output.name;
        if output.is_push() {
            let own = stages.iter_mut().find(|(place, _)| *place == number).map(|(_, lines)| std::mem::take(lines));
            findings.extend(own.unwrap_or_default());
            match &output.facts {
                Some(facts) => {
                    let silence = output.node.options.bool("silence");
                    findings.extend(rules::hold(who, output.platform, facts, silence));
                }
                None => {
                    let text = "its stream could not be looked at";
                    findings.push(Finding::new(who, "stream", Verdict::NotTested, text));
                }
            }
        } else if output.kind.name == rtmp_listen::KIND.name {
            findings.extend(ports.next());
        } else {
            let text = format!("{} is right as a word; nothing was written", output.kind.name);
            findings.push(Finding::new(who, "write", Verdict::NotTested, text));
        }
    }
    findings.extend(line(&check, &outputs, &env).await);
    // After the rest: what is measured should have the machine for itself.
    match &check.cost {
        None => {}
        Some((Cost::Words(words), lasts)) => {
            let facts = |name: &str| inputs.streams.iter().find(|stream| stream.input == name)?.facts.as_ref();
            findings.extend(cost::of_words(words, *lasts, |name| shape(facts(name), check.rate)).await);
        }
        Some((Cost::Relay, lasts)) => {
            findings.extend(cost::of_relay(&relayed(&outputs, check.rate), *lasts).await);
        }
    }
    if check.cost.is_some() {
        findings.extend(cost::encrypted(outputs.iter().map(|(output, _)| &output.node)));
    }
    Report { findings, seconds: begin.elapsed().as_secs_f64() }
}

/// What media of a stream is like: as it was seen, else of the rate that was said.
fn shape(facts: Option<&Facts>, said: Option<u64>) -> Option<Shape> {
    let video = facts.and_then(|facts| facts.video.as_ref());
    let bps = facts.map(|facts| facts.bitrate_bps).or(said).filter(|bps| *bps > 0)?;
    Some(Shape::new(bps, video.map(|video| video.fps), video.and_then(|video| video.key_interval)))
}

/// The streams of a relay with their outputs. Whom a pattern will fit nobody knows.
fn relayed(outputs: &[(Output, Place)], said: Option<u64>) -> Vec<Relayed> {
    let mut streams: Vec<Relayed> = Vec::new();
    for (output, place) in outputs {
        let Place::Stream(Some(id)) = place else { continue };
        let name = id.to_string();
        match streams.iter_mut().find(|stream| stream.name == name) {
            Some(stream) => stream.outputs += 1,
            None => streams.push(Relayed { name, shape: shape(output.facts.as_ref(), said), outputs: 1 }),
        }
    }
    streams
}

/// Whether the line carries all at once: by what they send together, and by sending it.
async fn line(check: &Check, outputs: &[(Output, Place)], env: &Env) -> Vec<Finding> {
    let mut lines = Vec::new();
    let pushes: Vec<&Output> = outputs.iter().map(|(output, _)| output).filter(|output| output.is_push()).collect();
    let rate = |output: &&Output| Some((output.name.clone(), output.bps(check.rate)?));
    let known: Vec<(String, u64)> = pushes.iter().filter_map(rate).collect();
    // What is measured needs no sum.
    if !pushes.is_empty() && (check.uplink.is_some() || check.bandwidth.is_none()) {
        lines.push(rules::uplink(&known, pushes.len() - known.len(), check.uplink));
    }
    let Some(bandwidth) = &check.bandwidth else { return lines };
    for (output, _) in outputs.iter().filter(|(output, _)| output.kind.name == rtmp_listen::KIND.name) {
        let text = "players come when they come: what they take of the line can't be known now";
        lines.push(Finding::new(&output.name, "bandwidth", Verdict::NotTested, text));
    }
    let sending: Vec<Sending> = pushes.iter().filter_map(|output| output.sending(check.rate)).collect();
    for output in pushes.iter().filter(|output| output.bps(check.rate).is_none()) {
        let text = "what it sends is not known";
        let mend = "let the encoder send, or say what each output sends: --rate=6M";
        lines.push(Finding::new(&output.name, "bandwidth", Verdict::NotTested, text).mend(mend));
    }
    if sending.is_empty() {
        lines.push(Finding::new("uplink", "measured", Verdict::NotTested, "there is nothing to send"));
    } else {
        lines.extend(bandwidth::measure(bandwidth, &sending, env).await);
    }
    lines
}

/// The stages of one push, and the publish if it was asked for.
async fn push(node: &Node, name: &str, platform: Option<&'static Platform>, asked: bool, env: &Env) -> Vec<Finding> {
    let mut lines = Vec::new();
    let connecting = stages::connect(node, Role::Publish, name, env, &mut lines);
    let accepted = match tokio::time::timeout(OUTPUT, connecting).await {
        Ok(accepted) => accepted,
        Err(_) => {
            let text = format!("not all was looked at within {} s", OUTPUT.as_secs());
            lines.push(Finding::new(name, "rtmp", Verdict::NotTested, text));
            false
        }
    };
    let unseen = platform.is_some_and(|platform| platform.unseen.is_some());
    lines.push(match (asked, accepted) {
        (true, true) => {
            let publishing = publish::publish(node, platform, name, env);
            tokio::time::timeout(PUBLISH, publishing).await.unwrap_or_else(|_| {
                Finding::new(name, "publish", Verdict::Fail, "the publish took too long").mend("try again")
            })
        }
        (true, false) => {
            Finding::new(name, "publish", Verdict::NotTested, "not reached: the server did not accept the connect")
        }
        (false, _) => {
            let air = match unseen {
                true => "nobody sees it there",
                false => "it may put the channel on air",
            };
            let text = "nothing was published, and so nobody knows whether the key is right";
            Finding::new(name, "publish", Verdict::NotTested, text).mend(format!("--publish={name} tries it; {air}"))
        }
    });
    lines
}

/// Whether the port of a listening output can be had.
async fn port(output: &Output, env: &Env) -> Finding {
    let who = &output.name;
    let mut sink = match (output.kind.open)(&output.node) {
        Ok(sink) => sink,
        Err(error) => return Finding::new(who, "port", Verdict::Fail, error.problem),
    };
    match sink.prepare(env).await {
        Ok(()) => Finding::new(who, "port", Verdict::Pass, "its port is free, and was given back"),
        Err(ended) => Finding::new(who, "port", Verdict::Fail, ended.text)
            .mend("choose another port, or end the program that has it (`ss -ltnp` names it)"),
    }
}

/// What was seen of the inputs.
#[derive(Default)]
struct Inputs {
    findings: Vec<Finding>,
    streams: Vec<Stream>,
}

/// One stream that was looked at.
struct Stream {
    /// The name of its input.
    input: String,
    facts: Option<Facts>,
    sinks: Vec<graph::NodeId>,
    id: Option<StreamId>,
}

impl Stream {
    fn feeds(&self, place: &Place) -> bool {
        match place {
            Place::Sink(id) => self.sinks.contains(id),
            Place::Stream(id) => id.is_some() && *id == self.id,
        }
    }
}

async fn of_graph(graph: &Graph, env: &Env) -> Inputs {
    let patience = Patience { first: media::FIRST, least: media::LEAST, most: media::MOST };
    let mut inputs = Inputs::default();
    for Looked { input, sinks, facts, trouble } in look(graph, patience, env).await {
        let lines = seen(&input, facts.as_ref(), trouble);
        // Outputs with other tracks of one input share it.
        for line in lines {
            if !inputs.findings.contains(&line) {
                inputs.findings.push(line);
            }
        }
        inputs.streams.push(Stream { input, facts, sinks, id: None });
    }
    inputs
}

/// What is pulled can be looked at; what is published comes when it comes.
async fn of_config(config: &Config, env: &Env) -> Inputs {
    let mut inputs = Inputs { findings: ports::of_config(config), ..Inputs::default() };
    let mut pulls = JoinSet::new();
    for (place, rule) in config.streams.iter().enumerate() {
        let name = rule.name.to_string();
        let (Some(pull), Some(id)) = (&rule.pull, rule.name.exact()) else {
            let text = "a publisher brings it: what it will send can't be known now";
            let mend =
                format!("let the encoder send to `outflow check -i {} -o ...`", ports::instead(config, &rule.name));
            inputs.findings.push(Finding::new(&name, "input", Verdict::NotTested, text).mend(mend));
            continue;
        };
        let mut typed = Options::with_defaults(options::defaults(rtmp_pull::KIND.options));
        for (name, value) in &pull.options {
            typed.set(name, value.clone());
        }
        let url = Some(MediaUrl::new(pull.url.expose()));
        let word = format!("pull of {id}");
        let node = Node { index: 0, word, kind: rtmp_pull::KIND.name, name, url, options: typed };
        let env = env.clone();
        pulls.spawn(async move {
            let looked = match (rtmp_pull::KIND.open)(&node) {
                Ok(source) => media::source(source, &node, &env).await.map_err(|ended| ended.text),
                Err(error) => Err(error.problem),
            };
            (place, node.name, id, looked)
        });
    }
    let mut pulled = pulls.join_all().await;
    pulled.sort_by_key(|(place, ..)| *place);
    for (_, name, id, looked) in pulled {
        let (facts, trouble) = match looked {
            Ok(facts) => (Some(facts), None),
            Err(text) => (None, Some(text)),
        };
        inputs.findings.extend(seen(&name, facts.as_ref(), trouble));
        inputs.streams.push(Stream { input: name, facts, sinks: Vec::new(), id: Some(id) });
    }
    inputs
}

/// What was seen of one input, in lines.
fn seen(input: &str, facts: Option<&Facts>, trouble: Option<String>) -> Vec<Finding> {
    match (facts, trouble) {
        (Some(facts), _) => media::told(input, facts),
        (None, Some(text)) => {
            let mend = match text.contains("can't listen") {
                true => "end the program that has the port (is it outflow itself?), or listen on another one",
                false => "start what sends it, and check again; is its URL or file right?",
            };
            vec![Finding::new(input, "input", Verdict::Fail, text).mend(mend)]
        }
        (None, None) => {
            let text = format!("no media came within {} s", media::FIRST.as_secs());
            let mend = "let the encoder send, and check again: outputs are held against what it really sends";
            vec![Finding::new(input, "input", Verdict::NotTested, text).mend(mend)]
        }
    }
}
