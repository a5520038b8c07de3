//! Starts what is to be measured, what it sends to, what feeds it and who plays it, and looks at it for a while.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::super::bandwidth::media::Shape;
use super::used::{self, Used};
use super::{Part, Words, feed};

/// How long a run is left alone before it is measured: connections are made, and the hub fills.
const WARM: Duration = Duration::from_secs(4);
/// How often memory is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(500);
/// How long ports may take to be bound by what was just started.
const BIND: Duration = Duration::from_millis(500);

/// What is run.
pub(super) enum Measured<'a> {
    /// A graph, with what comes from encoders.
    Words { words: &'a Words, feeds: &'a [Shape] },
    /// `outflow serve`: the stream of each output, and what each stream is like.
    Relay { outputs: &'a [usize], feeds: &'a [Shape] },
}

/// One process that is measured: where it listens.
struct Ports {
    /// For each publisher; of a relay the one port.
    inputs: Vec<u16>,
    /// For players of each output that waits for them.
    serving: Vec<u16>,
}

/// Runs these groups of outputs at once, each in a process of its own, with so many players of each output that waits for
/// them, and measures all of them together for so long. Outputs of no group go nowhere.
pub(super) async fn run(
    plan: &Measured<'_>,
    groups: &[Vec<usize>],
    players: usize,
    lasts: Duration,
) -> Result<Used, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program can't find itself: {error}"))?;
    let folder = Folder::new()?;
    let mut kept = Vec::new();
    // The receivers are one process, which is not measured.
    let outputs = groups.iter().flatten().map(|_| free_port()).collect::<Result<Vec<_>, _>>()?;
    if !outputs.is_empty() {
        let mut receiver = Command::new(&program);
        for (number, port) in outputs.iter().enumerate() {
            receiver.arg("-i").arg(format!("rtmp://127.0.0.1:{port}/cost:gpac:rtmp_listen=1:name=cost{number}"));
            receiver.args(["-o", "null"]);
        }
        kept.push(start(receiver)?);
        tokio::time::sleep(BIND).await;
    }
    let mut measured = Vec::new();
    let mut all_ports = Vec::new();
    let mut port = outputs.iter().copied();
    for (number, group) in groups.iter().enumerate() {
        let ports = plan.ports()?;
        let to: Vec<(usize, u16)> = group.iter().filter_map(|output| Some((*output, port.next()?))).collect();
        measured.push(start(plan.command(&program, &folder.0, number, &ports, &to)?)?);
        all_ports.push(ports);
    }
    tokio::time::sleep(BIND).await;
    let feeding = plan.feeding(&folder.0, groups, &all_ports)?;
    if !feeding.is_empty() {
        let mut feeder = Command::new(&program);
        feeder.args(feeding);
        kept.push(start(feeder)?);
    }
    let playing: Vec<String> = all_ports.iter().flat_map(|ports| plan.played(ports)).collect();
    if players > 0 && !playing.is_empty() {
        let mut player = Command::new(&program);
        for url in playing.iter().flat_map(|url| std::iter::repeat_n(url, players)) {
            player.args(["-i", url, "-o", "null"]);
        }
        kept.push(start(player)?);
    }
    tokio::time::sleep(WARM).await;
    let ids: Vec<u32> = measured.iter().filter_map(Child::id).collect();
    measure(&ids, lasts)
        .await
        .ok_or_else(|| "the run ended before it could be measured: is the input too short?".to_owned())
}

/// The CPU over the time, and the middle of what the memory was.
async fn measure(ids: &[u32], lasts: Duration) -> Option<Used> {
    let (before, begin) = (used::cpu(ids)?, std::time::Instant::now());
    let mut memory = Vec::new();
    while begin.elapsed() < lasts {
        tokio::time::sleep(LOOK).await;
        memory.push(used::memory(ids));
    }
    let cpu = used::cpu(ids)?.saturating_sub(before).as_secs_f64() / begin.elapsed().as_secs_f64();
    memory.sort_unstable();
    Some(Used { cpu, memory: memory.get(memory.len() / 2).copied().unwrap_or_default() })
}

impl Measured<'_> {
    fn ports(&self) -> Result<Ports, String> {
        let (inputs, serving) = match self {
            Measured::Words { words, feeds } => (feeds.len(), words.count(Part::Players)),
            Measured::Relay { .. } => (1, 0),
        };
        let free = |count: usize| (0..count).map(|_| free_port()).collect::<Result<Vec<_>, _>>();
        Ok(Ports { inputs: free(inputs)?, serving: free(serving)? })
    }

    /// The process of this number, with these outputs led to these ports.
    fn command(
        &self,
        program: &Path,
        folder: &Path,
        number: usize,
        ports: &Ports,
        to: &[(usize, u16)],
    ) -> Result<Command, String> {
        let mut command = Command::new(program);
        match self {
            Measured::Words { words, .. } => {
                command.args(words.led(|part, number| match part {
                    Part::Store => None,
                    Part::Push => {
                        let (_, port) = to.iter().find(|(output, _)| *output == number)?;
                        Some(format!("rtmp://127.0.0.1:{port}/cost:gpac:name=cost{number}"))
                    }
                    Part::Players => {
                        let port = ports.serving.get(number)?;
                        Some(format!("rtmp://127.0.0.1:{port}/cost:gpac:rtmp_listen=1:name=played{number}"))
                    }
                    Part::Publisher => {
                        let port = ports.inputs.get(number)?;
                        Some(format!("rtmp://127.0.0.1:{port}/cost:gpac:rtmp_listen=1:name=in{number}"))
                    }
                }));
            }
            Measured::Relay { outputs, .. } => {
                let port = ports.inputs.first().copied().unwrap_or_default();
                let mut text = format!("[listen]\nrtmp = \"127.0.0.1:{port}\"\nhttp = \"none\"\n");
                for stream in streams(outputs, to) {
                    let _ = write!(text, "\n[[stream]]\nname = \"cost/{stream}\"\npublish_key = \"none\"\n");
                }
                for (output, port) in to {
                    let stream = outputs.get(*output).copied().unwrap_or_default();
                    let _ = write!(
                        text,
                        "\n[[output]]\nname = \"cost{output}\"\nstream = \"cost/{stream}\"\n\
                         url = \"rtmp://127.0.0.1:{port}/cost\"\n"
                    );
                }
                let path = folder.join(format!("relay{number}.toml"));
                std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
                command.arg("serve").arg(format!("--config={}", path.display()));
                // Whatever this machine's own relay is told by its environment.
                for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OUTFLOW_"))
                {
                    command.env_remove(name);
                }
            }
        }
        Ok(command)
    }

    /// The words of the process that feeds all of them, if they have to be fed.
    fn feeding(&self, folder: &Path, groups: &[Vec<usize>], all_ports: &[Ports]) -> Result<Vec<String>, String> {
        let (Measured::Words { feeds, .. } | Measured::Relay { feeds, .. }) = self;
        let mut words = Vec::new();
        for (number, shape) in feeds.iter().enumerate() {
            let target = |(group, ports): (&Vec<usize>, &Ports)| match self {
                Measured::Words { .. } => {
                    ports.inputs.get(number).map(|port| format!("rtmp://127.0.0.1:{port}/cost/k"))
                }
                Measured::Relay { outputs, .. } => {
                    let uses = group.iter().any(|output| outputs.get(*output) == Some(&number));
                    let port = ports.inputs.first().filter(|_| uses)?;
                    Some(format!("rtmp://127.0.0.1:{port}/cost/{number}"))
                }
            };
            let targets: Vec<String> = groups.iter().zip(all_ports).filter_map(target).collect();
            if targets.is_empty() {
                continue;
            }
            let file = feed::write(folder, number, *shape)?;
            words.extend(["-i".to_owned(), format!("{}:loop", file.display())]);
            words
                .extend(targets.into_iter().flat_map(|target| ["-o".to_owned(), format!("{target}:gpac:retry=100ms")]));
        }
        Ok(words)
    }

    /// What players play of one process.
    fn played(&self, ports: &Ports) -> Vec<String> {
        match self {
            Measured::Words { .. } => {
                ports.serving.iter().map(|port| format!("rtmp://127.0.0.1:{port}/cost/k")).collect()
            }
            Measured::Relay { outputs, .. } => {
                let stream = outputs.first().copied().unwrap_or_default();
                ports.inputs.iter().map(|port| format!("rtmp://127.0.0.1:{port}/cost/{stream}")).collect()
            }
        }
    }
}

/// The streams of these outputs, each once.
fn streams(of: &[usize], to: &[(usize, u16)]) -> Vec<usize> {
    let mut streams: Vec<usize> = to.iter().filter_map(|(output, _)| of.get(*output).copied()).collect();
    streams.sort_unstable();
    streams.dedup();
    streams
}

fn start(mut command: Command) -> Result<Child, String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().map_err(|error| format!("a run can't be started: {error}"))
}

fn free_port() -> Result<u16, String> {
    let bound = crate::net::bind::bind(([127, 0, 0, 1], 0).into()).and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(|error| format!("no port is free: {error}"))
}

/// A folder for what a run needs, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, String> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|error| format!("the system gives no random bytes: {error}"))?;
        let path = std::env::temp_dir().join(format!("outflow-cost-{:016x}", u64::from_be_bytes(bytes)));
        // Fails where it is there already: nobody else's is used.
        std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
