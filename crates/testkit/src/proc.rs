//! Child processes for tests: output captured and bounded, the whole process group killed on drop, CPU and memory read.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::wait::{DEADLINE, Watched};

/// Lines kept of each stream; older ones are dropped.
const KEPT: usize = 2000;
/// Longer lines are cut: one of figures has 300 bytes for each output.
const LINE: usize = 40_000;

/// What a child has said.
#[derive(Debug, Default)]
pub struct Output {
    /// The last lines of standard output.
    pub stdout: VecDeque<String>,
    /// The last lines of standard error.
    pub stderr: VecDeque<String>,
    /// Streams that have ended, of two.
    ended: u8,
    /// Texts that no line may have.
    secrets: Vec<String>,
    /// Lines that had one, also of those that were dropped.
    pub leaks: Vec<String>,
}

impl Output {
    /// All lines of both streams.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.stdout.iter().chain(&self.stderr).map(String::as_str)
    }
}

/// A command to start.
#[derive(Debug)]
pub struct Command {
    inner: tokio::process::Command,
    shown: String,
    has_stdin: bool,
    secrets: Vec<String>,
}

impl Command {
    /// A program, by name or path.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref();
        let shown = Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned();
        Self { inner: tokio::process::Command::new(program), shown, has_stdin: false, secrets: Vec::new() }
    }

    /// One argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.shown = format!("{} {}", self.shown, arg.as_ref().to_string_lossy());
        self.inner.arg(arg);
        self
    }

    /// Several arguments.
    pub fn args<S: AsRef<OsStr>>(self, args: impl IntoIterator<Item = S>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// The words of a line, split at blanks; no quoting.
    pub fn line(self, words: &str) -> Self {
        self.args(words.split_whitespace())
    }

    /// An environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(name, value);
        self
    }

    /// Standard input from a file or pipe instead of nothing.
    pub fn stdin(mut self, from: impl Into<Stdio>) -> Self {
        self.inner.stdin(from);
        self.has_stdin = true;
        self
    }

    /// Texts that it must not say: lines that have one are kept in [`Output::leaks`].
    pub fn secrets(mut self, secrets: &[String]) -> Self {
        self.secrets.extend_from_slice(secrets);
        self
    }

    /// The working directory.
    pub fn dir(mut self, path: &Path) -> Self {
        self.inner.current_dir(path);
        self
    }

    /// Starts it in a process group of its own.
    pub fn start(mut self) -> Child {
        if !self.has_stdin {
            self.inner.stdin(Stdio::null());
        }
        self.inner.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = self.inner.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.shown));
        let output = Watched::new(Output { secrets: self.secrets, ..Output::default() });
        tokio::spawn(read_lines(child.stdout.take().expect("piped"), output.clone(), false));
        tokio::spawn(read_lines(child.stderr.take().expect("piped"), output.clone(), true));
        let raw = i32::try_from(child.id().expect("just started")).expect("a process id");
        let pid = Pid::from_raw(raw).expect("not 0");
        Child { child, pid, output, shown: self.shown, exited: None }
    }
}

async fn read_lines(stream: impl AsyncRead + Unpin, output: Watched<Output>, stderr: bool) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    // Carriage returns end a line too: players redraw their status that way.
    while let Ok(n) = reader.read_until(b'\n', &mut line).await {
        if n == 0 {
            break;
        }
        output.update(|output| {
            let text = String::from_utf8_lossy(&line);
            if output.secrets.iter().any(|secret| text.contains(secret.as_str())) {
                output.leaks.push(text.into_owned());
            }
            let lines = if stderr { &mut output.stderr } else { &mut output.stdout };
            for part in line.split(|&byte| byte == b'\n' || byte == b'\r').filter(|part| !part.is_empty()) {
                lines.push_back(String::from_utf8_lossy(&part[..part.len().min(LINE)]).into_owned());
            }
            while lines.len() > KEPT {
                lines.pop_front();
            }
        });
        line.clear();
    }
    output.update(|output| output.ended += 1);
}

/// A running child. Its whole process group is killed when this is dropped.
#[derive(Debug)]
pub struct Child {
    child: tokio::process::Child,
    pid: Pid,
    /// What it has said so far.
    pub output: Watched<Output>,
    shown: String,
    exited: Option<ExitStatus>,
}

impl Child {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits for a line on either stream that contains `needle`, and gives it.
    pub async fn wait_for_line(&self, needle: &str) -> String {
        let what = format!("a line with {needle:?} from: {}", self.shown);
        let found = self.output.wait_for(&what, |output| {
            let line = output.lines().find(|line| line.contains(needle)).map(str::to_string);
            match line {
                Some(line) => Some(Ok(line)),
                None if output.ended == 2 => {
                    Some(Err(output.lines().map(|line| format!("\n  {line}")).collect::<String>()))
                }
                None => None,
            }
        });
        found.await.unwrap_or_else(|said| panic!("{} ended without a line with {needle:?}; it said:{said}", self.shown))
    }

    /// Waits for its end and gives the exit code; a signal gives 128 + its number.
    pub async fn wait_exit(&mut self) -> i32 {
        self.wait_exit_within(DEADLINE).await
    }

    /// [`Child::wait_exit`] with a deadline of its own.
    pub async fn wait_exit_within(&mut self, deadline: Duration) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let Ok(status) = tokio::time::timeout(deadline, self.child.wait()).await else {
            panic!("waited {deadline:?} for the end of: {}; it said: {:#?}", self.shown, self.text());
        };
        let status = status.expect("a child can be waited for");
        self.exited = Some(status);
        // Whatever it left behind would hold the pipes open.
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        self.output.wait_for("the end of the child's output", |output| (output.ended == 2).then_some(())).await;
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.exited.is_none() && matches!(self.child.try_wait(), Ok(None))
    }

    /// Everything it said that is still kept.
    pub fn text(&self) -> String {
        self.output.look(|output| output.lines().collect::<Vec<_>>().join("\n"))
    }

    /// Sends a signal to the process alone.
    pub fn signal(&self, signal: Signal) {
        if self.exited.is_none() {
            rustix::process::kill_process(self.pid, signal).expect("the child can be signalled");
        }
    }

    /// Stops it as `SIGSTOP` does, its whole group.
    pub fn stop(&self) {
        rustix::process::kill_process_group(self.pid, Signal::STOP).expect("the child can be stopped");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        rustix::process::kill_process_group(self.pid, Signal::CONT).expect("the child can be resumed");
    }

    /// Asks it to end with `SIGINT` and waits for its exit code.
    pub async fn interrupt(&mut self) -> i32 {
        self.signal(Signal::INT);
        self.wait_exit().await
    }

    /// Kills it and its group now.
    pub async fn kill(&mut self) {
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        self.wait_exit().await;
    }

    /// CPU time used so far by the process, user and system.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("the process is there");
        // The name in parentheses may hold blanks; utime and stime are fields 14 and 15, the state is 3.
        let fields: Vec<&str> = stat[stat.rfind(')').expect("a name") + 2..].split(' ').collect();
        let ticks: u64 = [11, 12].iter().map(|&i| fields[i].parse::<u64>().expect("ticks")).sum();
        // USER_HZ is 100 on every Linux that Rust runs on.
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        self.resident_if_there().expect("it has memory until it ends")
    }

    /// [`Child::resident`] of a process that may have ended.
    pub fn resident_if_there(&self) -> Option<u64> {
        Some(self.status("VmRSS:")? * 1024)
    }

    /// Threads.
    pub fn threads(&self) -> u64 {
        self.status("Threads:").expect("it has threads until it ends")
    }

    /// Open file descriptors.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).expect("the process is there").count()
    }

    /// Threads with this name, or that begin with it.
    pub fn threads_named(&self, name: &str) -> usize {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.id())).expect("the process is there");
        let names = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|comm| comm.starts_with(name)).count()
    }

    fn status(&self, name: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        status.lines().find(|line| line.starts_with(name))?.split_whitespace().nth(1)?.parse().ok()
    }

    /// Process ids of its children and theirs.
    pub fn descendants(&self) -> Vec<u32> {
        descendants(self.id())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.output.look(|output| {
                let lines: Vec<&str> = output.lines().collect();
                lines[lines.len().saturating_sub(60)..].join("\n  ")
            });
            eprintln!("{} had said at last:\n  {said}", self.shown);
        }
        // Also after the leader's end, for what it may have left behind in its group.
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
    }
}

fn descendants(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = stat[stat.rfind(')')? + 2..].split(' ').nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_exit_codes_and_figures_are_seen() {
        let mut child =
            Command::new("sh").args(["-c", "echo one; echo two >&2; read x; exit 3"]).stdin(Stdio::piped()).start();
        assert_eq!(child.wait_for_line("one").await, "one");
        assert_eq!(child.wait_for_line("two").await, "two");
        assert!(
            child.threads() == 1
                && child.descriptors() >= 3
                && child.resident() > 0
                && child.cpu() < Duration::from_secs(5)
                && child.is_running()
        );
        drop(child.child.stdin.take());
        assert_eq!(child.wait_exit().await, 3);
    }

    #[tokio::test]
    async fn the_whole_group_dies_with_the_handle() {
        let child = Command::new("sh").args(["-c", "sleep 600 & echo $!; wait"]).start();
        let sleeper = child.output.wait_for("the sleeper's id", |out| out.stdout.front()?.parse::<u32>().ok()).await;
        assert_eq!(child.descendants(), vec![sleeper]);
        drop(child);
        let gone =
            || !matches!(std::fs::read_to_string(format!("/proc/{sleeper}/stat")), Ok(stat) if !stat.contains(") Z "));
        let start = std::time::Instant::now();
        while !gone() {
            assert!(start.elapsed() < DEADLINE, "the sleeper is still there");
            tokio::task::yield_now().await;
        }
    }
}
