//! `outflow probe URL`: one server, stage by stage, and what plays there if that is asked for.

use std::sync::Arc;
use std::time::Instant;

use outflow_rtmp::session::Role;

use super::finding::{Finding, Report, Verdict};
use super::{media, stages};
use crate::env::Env;
use crate::limits::Limits;
use crate::net::dial::Resolver;
use crate::node::Node;
use crate::source::rtmp_pull;

/// What to look at.
#[derive(Debug)]
pub struct Probe {
    /// The URL as the word of a pull.
    pub node: Node,
    /// Whether to play what is there.
    pub play: bool,
    /// What the server may ask of us.
    pub limits: Limits,
    /// As JSON.
    pub json: bool,
}

/// Looks. Publishes nothing; tells the server the stream's name only to play it.
pub async fn probe(probe: &Probe, resolver: Arc<dyn Resolver>) -> Report {
    let begin = Instant::now();
    let mut findings = Vec::new();
    let node = &probe.node;
    let env = Env::within(probe.limits.clone(), resolver, Arc::new(|_| {}));
    let who = node.url.as_ref().and_then(|url| url.host()).unwrap_or_default().to_owned();
    let role = if probe.play { Role::Play } else { Role::Publish };
    let accepted = stages::connect(node, role, &who, &env, &mut findings).await;
    if !probe.play {
        let text = "nothing was played: the name may be a stream key, which is told to nobody unasked";
        findings
            .push(Finding::new(&who, "media", Verdict::NotTested, text).mend("add --play to look at what plays there"));
    } else if !accepted {
        findings.push(Finding::new(&who, "media", Verdict::NotTested, "not reached: the server did not accept"));
    } else {
        findings.extend(plays(node, &who, &env).await);
    }
    Report { findings, seconds: begin.elapsed().as_secs_f64() }
}

async fn plays(node: &Node, who: &str, env: &Env) -> Vec<Finding> {
    let source = match (rtmp_pull::KIND.open)(node) {
        Ok(source) => source,
        Err(error) => return vec![Finding::new(who, "media", Verdict::Fail, error.problem)],
    };
    match media::source(source, node, env).await {
        Ok(facts) => media::told(who, &facts),
        Err(ended) => {
            let mend = "is anybody publishing it now, and is the name right? some servers want a token to play";
            vec![Finding::new(who, "media", Verdict::Fail, ended.text).mend(mend)]
        }
    }
}
