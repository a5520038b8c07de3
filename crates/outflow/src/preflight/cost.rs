//! What a graph costs on this machine: by really running it for some seconds, its outputs led to receivers of our own.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::process::{Child, Command};

use super::finding::{Finding, Verdict};

/// A graph's words, and which of them are outputs that push.
#[derive(Clone, Default)]
pub struct Words {
    /// As typed.
    pub words: Vec<String>,
    /// Places in it, from 0, of the URLs of pushes.
    pub pushes: Vec<usize>,
    /// An input that others connect to: two of them can't run at once, and nobody connects now.
    pub listens: bool,
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // They may hold keys.
        write!(f, "Words({} words, {} pushes)", self.words.len(), self.pushes.len())
    }
}

impl Words {
    /// The words with every push led elsewhere: to the URL that is given for it by its number, or to nothing. Whoever runs
    /// them has to know that these are all pushes: see where they are made.
    pub fn led(&self, mut whither: impl FnMut(usize) -> Option<String>) -> Vec<String> {
        let led = |(place, word): (usize, &String)| match self.pushes.iter().position(|push| *push == place) {
            Some(push) => {
                let url = whither(push).unwrap_or_else(|| "null".to_owned());
                if word.starts_with("dst=") { format!("dst={url}") } else { url }
            }
            None => word.clone(),
        };
        self.words.iter().enumerate().map(led).collect()
    }
}

/// How long a run is left alone before it is measured, and how long it is measured.
const WARM: Duration = Duration::from_secs(2);
const MEASURE: Duration = Duration::from_secs(5);
/// More processes than this, one for each output, are not started.
const MOST: usize = 16;

/// CPU, as parts of one core, and resident memory in bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    cpu: f64,
    memory: u64,
}

/// Runs the graph with all outputs, with one, and as one process per output; tells what each costs.
pub(super) async fn measure(words: &Words) -> Vec<Finding> {
    let who = "cost";
    let not = |text: &str| vec![Finding::new(who, "machine", Verdict::NotTested, text)];
    let count = words.pushes.len();
    if words.listens {
        return not("the input is one that an encoder connects to: its cost shows while it runs");
    }
    if count == 0 {
        return not("no output pushes");
    }
    match runs(words, count).await {
        Ok((whole, single, apart)) => told(who, count, whole, single, apart),
        Err(text) => not(&text),
    }
}

type Runs = (Cost, Option<Cost>, Option<Cost>);

async fn runs(words: &Words, count: usize) -> Result<Runs, String> {
    let whole = run(words, &[(0..count).collect()]).await?;
    if count == 1 {
        return Ok((whole, None, None));
    }
    let single = run(words, &[vec![0]]).await?;
    let apart = match count {
        2..=MOST => Some(run(words, &(0..count).map(|place| vec![place]).collect::<Vec<_>>()).await?),
        _ => None,
    };
    Ok((whole, Some(single), apart))
}

fn told(who: &str, count: usize, whole: Cost, single: Option<Cost>, apart: Option<Cost>) -> Vec<Finding> {
    let shown = |cost: Cost| format!("{:.1} % of a core, {} MB", cost.cpu * 100.0, cost.memory >> 20);
    let details = |cost: Cost| json!({ "cpu_cores": cost.cpu, "memory_bytes": cost.memory });
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = whole.cpu / cores as f64;
    let verdict = match share {
        share if share > 0.8 => Verdict::Fail,
        share if share > 0.5 => Verdict::Warn,
        _ => Verdict::Pass,
    };
    let text = format!("this graph with {count} outputs: {} (of {cores} cores)", shown(whole));
    let mut line = Finding::new(who, "machine", verdict, text).details(details(whole));
    if verdict != Verdict::Pass {
        line = line.mend("encode less (smaller size, lower rate), or run it on a machine with more cores");
    }
    let mut lines = vec![line];
    if let Some(single) = single {
        let more = count.saturating_sub(1).max(1);
        let cpu = ((whole.cpu - single.cpu) / more as f64).max(0.0);
        let each = Cost { cpu, memory: whole.memory.saturating_sub(single.memory) / more as u64 };
        let text =
            format!("each output more: {:.2} % of a core, {:.1} MB", each.cpu * 100.0, each.memory as f64 / 1048576.0);
        lines.push(Finding::new(who, "per output", Verdict::Pass, text).details(details(each)));
    }
    if let Some(apart) = apart {
        let text = format!("one process for each of the {count} outputs would take {}", shown(apart));
        lines.push(Finding::new(who, "apart", Verdict::Pass, text).details(details(apart)));
    }
    lines
}

/// Runs these groups of outputs at once, each in a process of its own, and measures all of them together.
async fn run(words: &Words, groups: &[Vec<usize>]) -> Result<Cost, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program can't find itself: {error}"))?;
    let ports = groups.iter().flatten().map(|_| free_port()).collect::<Result<Vec<_>, _>>()?;
    // The receivers are one process, which is not measured.
    let mut receiver = Command::new(&program);
    for (number, port) in ports.iter().enumerate() {
        receiver.arg("-i").arg(format!("rtmp://127.0.0.1:{port}/cost:gpac:rtmp_listen=1:name=cost{number}"));
        receiver.args(["-o", "null"]);
    }
    let _receiver = start(receiver)?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut children = Vec::new();
    let mut port = ports.iter();
    for group in groups {
        let mut command = Command::new(&program);
        command.args(words.led(|push| {
            let port = group.contains(&push).then(|| port.next()).flatten()?;
            Some(format!("rtmp://127.0.0.1:{port}/cost:gpac:name=cost{push}"))
        }));
        children.push(start(command)?);
    }
    tokio::time::sleep(WARM).await;
    let before = cpu(&children)?;
    tokio::time::sleep(MEASURE).await;
    let used = cpu(&children)?.saturating_sub(before);
    let memory = children.iter().filter_map(Child::id).filter_map(resident).sum();
    Ok(Cost { cpu: used.as_secs_f64() / MEASURE.as_secs_f64(), memory })
}

fn start(mut command: Command) -> Result<Child, String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().map_err(|error| format!("a run can't be started: {error}"))
}

fn free_port() -> Result<u16, String> {
    let bound = crate::net::bind::bind(([127, 0, 0, 1], 0).into()).and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(|error| format!("no port is free: {error}"))
}

/// CPU time of all of them so far. One that has ended is an error: it is not what was asked for.
fn cpu(children: &[Child]) -> Result<Duration, String> {
    let mut sum = Duration::ZERO;
    for child in children {
        let of = child.id().and_then(ticks);
        sum += of.ok_or("the run ended before it could be measured: is the input too short?")?;
    }
    Ok(sum)
}

#[cfg(target_os = "linux")]
fn ticks(id: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // After the name, which may hold anything, in parentheses: state is the third field, utime and stime 14 and 15.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let state = fields.first()?;
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let hertz = rustix::param::clock_ticks_per_second().max(1);
    (*state != "Z").then(|| Duration::from_secs_f64(ticks as f64 / hertz as f64))
}

#[cfg(target_os = "linux")]
fn resident(id: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/statm")).ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(not(target_os = "linux"))]
fn ticks(_id: u32) -> Option<Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
fn resident(_id: u32) -> Option<u64> {
    None
}
