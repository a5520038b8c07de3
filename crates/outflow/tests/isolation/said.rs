//! What the program says with `-json`: the states of its outputs in order, and their figures.

use std::collections::BTreeMap;

use outflow_testkit::proc::Child;
use serde_json::Value;

/// One change of an output's state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
}

/// Every event of one sort so far. The test runner's own words may stand before the first one on its line.
fn events(child: &Child, sort: &str) -> Vec<Value> {
    let sort = format!("\"event\":\"{sort}\"");
    child.output.look(|output| {
        let lines = output.stdout.iter().filter(|line| line.contains(&sort));
        lines.filter_map(|line| serde_json::from_str(line.get(line.find('{')?..)?).ok()).collect()
    })
}

/// What was told of each output, up to the end of its input.
pub(crate) fn states(child: &Child) -> BTreeMap<String, Vec<Told>> {
    let mut outputs: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    for event in events(child, "output") {
        let told = Told {
            state: event["state"].as_str().unwrap().to_owned(),
            reason: event["reason"]["code"].as_str().map(str::to_owned),
        };
        outputs.entry(event["output"].as_str().unwrap().to_owned()).or_default().push(told);
    }
    for told in outputs.values_mut() {
        let end = told.iter().position(|it| matches!(it.state.as_str(), "draining" | "stopped"));
        told.truncate(end.unwrap_or(told.len()));
    }
    outputs
}

/// The state of every output as of the last second.
pub(crate) fn now(child: &Child) -> BTreeMap<String, String> {
    let last = child.output.look(|output| {
        let line = output.stdout.iter().rev().find(|line| line.contains("\"event\":\"stats\""))?;
        serde_json::from_str::<Value>(line).ok()
    });
    let outputs = last.and_then(|mut last| Some(std::mem::take(last["outputs"].as_array_mut()?))).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    outputs.iter().map(|output| (text(&output["output"]), text(&output["state"]))).collect()
}

/// One figure of an output, each time that figures were told.
pub(crate) fn figures(child: &Child, output: &str, name: &str) -> Vec<u64> {
    let of = |event: &Value| event["outputs"].as_array()?.iter().find(|it| it["output"] == output)?[name].as_u64();
    events(child, "stats").iter().filter_map(of).collect()
}

/// One figure of an output that is no number, each time that figures were told.
pub(crate) fn values(child: &Child, output: &str, name: &str) -> Vec<Value> {
    let of = |event: &Value| {
        let outputs = event["outputs"].as_array()?;
        Some(outputs.iter().find(|it| it["output"] == output)?[name].clone())
    };
    events(child, "stats").iter().filter_map(of).collect()
}
