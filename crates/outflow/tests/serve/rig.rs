//! A running `outflow serve`: its file, its ports, its secrets, and what it says, read from `--json`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use outflow_testkit::flv::Tag;
use outflow_testkit::free_port;
use outflow_testkit::media::made_up;
use outflow_testkit::proc::{Child, Command, Output};
use outflow_testkit::publisher::Publisher;
use outflow_testkit::wait::DEADLINE;
use rustix::process::Signal;
use serde_json::Value;

use crate::secrets;

/// The program under test.
pub(crate) const OUTFLOW: &str = env!("CARGO_BIN_EXE_outflow");

/// What a `serve` is started with, as often as the test likes: ports and files stay.
pub(crate) struct Setup {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) rtmp: u16,
    pub(crate) http: u16,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    pub(crate) secrets: Vec<String>,
    token: Option<String>,
}

impl Setup {
    /// On ports of its own, with nothing in its file.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("outflow.toml"), "").unwrap();
        Self {
            folder,
            rtmp: free_port(),
            http: free_port(),
            flags: Vec::new(),
            environment: Vec::new(),
            secrets: Vec::new(),
            token: None,
        }
    }

    /// A secret that is nowhere else, in a variable of this name.
    pub(crate) fn secret(&mut self, name: &str) -> String {
        let secret = secrets::fresh(name);
        self.environment.push((name.to_owned(), secret.clone()));
        self.secrets.push(secret.clone());
        secret
    }

    /// The API asks for a token.
    pub(crate) fn with_token(&mut self) -> &mut Self {
        self.token = Some(self.secret("API_TOKEN"));
        self
    }

    /// What the API changes is kept.
    pub(crate) fn with_state(&mut self) -> &mut Self {
        let path = self.state().display().to_string();
        self.flags.extend(["--state-file".to_owned(), path]);
        self
    }

    /// The state file.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state.json")
    }

    /// A variable that is no secret.
    pub(crate) fn environment(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Words behind `serve`.
    pub(crate) fn flags(&mut self, words: &str) -> &mut Self {
        self.flags.extend(words.split_whitespace().map(str::to_owned));
        self
    }

    /// Writes the file, atomically as editors do.
    pub(crate) fn write(&self, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let (path, beside) = (self.path(), self.folder.path().join("outflow.toml.new"));
        std::fs::write(&beside, text).unwrap();
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(beside, path).unwrap();
    }

    /// The file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("outflow.toml")
    }

    /// `rtmp://127.0.0.1:PORT/PATH`
    pub(crate) fn url(&self, path: &str) -> String {
        format!("rtmp://127.0.0.1:{}/{path}", self.rtmp)
    }

    /// Adds its words to a command that begins with the program.
    pub(crate) fn words(&self, command: Command) -> Command {
        let command = command
            .arg("serve")
            .arg("--config")
            .arg(self.path())
            .line(&format!("--rtmp 127.0.0.1:{} --http 127.0.0.1:{} --json", self.rtmp, self.http))
            .args(&self.flags)
            .secrets(&self.secrets);
        self.environment.iter().fold(command, |command, (name, value)| command.env(name, value))
    }

    /// Starts it and waits until it listens.
    pub(crate) async fn start(&self) -> Serve {
        self.start_as(Command::new(OUTFLOW)).await
    }

    /// The same, begun by these words.
    pub(crate) async fn start_as(&self, command: Command) -> Serve {
        let program = self.words(command).start();
        let mut serve = Serve { program, http: self.http, token: self.token.clone(), secrets: self.secrets.clone() };
        serve.program.wait_for_line("\"event\":\"listening\"").await;
        assert!(serve.program.is_running(), "{}", serve.program.text());
        serve
    }
}

/// A running `outflow serve`.
pub(crate) struct Serve {
    pub(crate) program: Child,
    pub(crate) http: u16,
    pub(crate) token: Option<String>,
    pub(crate) secrets: Vec<String>,
}

impl Serve {
    /// What it said, oldest first, as far as it is kept.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.program
            .output
            .look(|output| output.stdout.iter().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// The events of one kind about one name (`output`, `input`, `who`).
    pub(crate) fn about(&self, event: &str, name: &str) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|said| {
            said["event"] == event && ["output", "input", "who"].iter().any(|field| said[*field] == name)
        });
        events
    }

    /// Waits until the last thing said of an output is this state; gives that event.
    pub(crate) async fn until_state(&self, output: &str, state: &str) -> Value {
        self.until_state_within(DEADLINE, output, state).await
    }

    /// The same with a deadline of its own.
    pub(crate) async fn until_state_within(&self, deadline: Duration, output: &str, state: &str) -> Value {
        let name = format!("\"output\":\"{output}\"");
        let what = format!("{output} to be {state}");
        self.program
            .output
            .wait_within(deadline, &what, |said| {
                let mut states = said.stdout.iter().rev().filter(|line| line.contains("\"event\":\"output\""));
                let last: Value = serde_json::from_str(states.find(|line| line.contains(&name))?).ok()?;
                (last["state"] == state).then_some(last)
            })
            .await
    }

    /// Waits until so many events of one kind were said about a name.
    pub(crate) async fn until_said(&self, event: &str, name: &str, times: usize) {
        let what = format!("{times} times {event} about {name}");
        let (event, name) = (format!("\"event\":\"{event}\""), format!("\"{name}\""));
        self.program
            .output
            .wait_for(&what, |said| {
                let lines = said.stdout.iter().filter(|line| line.contains(&event) && line.contains(&name));
                (lines.count() >= times).then_some(())
            })
            .await;
    }

    /// How often an output was dialled, from the figures of each second, or from its own events before there are any.
    pub(crate) fn attempts(&self, output: &str) -> u64 {
        let stats = self.events().into_iter().rfind(|said| said["event"] == "stats");
        let figures = stats.and_then(|stats| {
            stats["outputs"].as_array()?.iter().find(|figures| figures["output"] == output)?["attempt"].as_u64()
        });
        let said = self.about("output", output).last().and_then(|said| said["attempt"].as_u64());
        said.or(figures).unwrap_or_default()
    }

    /// Writes the file and has it read, by SIGHUP, and waits until this is said of it: `reloaded: `, or `not in force`.
    pub(crate) async fn rewrite(&self, setup: &Setup, text: &str, says: &str) {
        let last = |said: &Output| {
            let tells = |line: &&String| line.contains("\"who\":\"serve\"") && line.contains(says);
            said.stdout.iter().rev().find(tells).cloned()
        };
        let before = self.program.output.look(last);
        setup.write(text);
        self.program.signal(Signal::HUP);
        let what = format!("{says:?} to be said of this file: {text}");
        self.program.output.wait_for(&what, |said| (last(said) != before).then_some(())).await;
    }

    /// Stops it by SIGTERM, which has to be a success, and looks for secrets in all that it said.
    pub(crate) async fn end(mut self) {
        secrets::none_in(&self).await;
        self.program.signal(Signal::TERM);
        assert_eq!(self.program.wait_exit().await, 0, "{}", self.program.text());
        secrets::none_said(&self.program);
    }

    /// Kills it: it can do nothing about it.
    pub(crate) async fn kill(mut self) {
        secrets::none_in(&self).await;
        self.program.kill().await;
        secrets::none_said(&self.program);
    }
}

/// Made-up media, published until dropped.
pub(crate) struct Show {
    task: tokio::task::JoinHandle<()>,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    /// What it sends.
    pub(crate) tags: Vec<Tag>,
}

impl Show {
    /// Publishes to this URL: 25 frames a second, a key frame each second.
    pub(crate) async fn publish(url: &str) -> Self {
        Self::try_publish(url).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same, unless it is refused.
    pub(crate) async fn try_publish(url: &str) -> std::io::Result<Self> {
        let mut publisher = Publisher::connect(url).await?;
        let tags = made_up(20_000, 25, 1000);
        let (end, mut ended) = tokio::sync::oneshot::channel();
        let sent = tags.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                _ = publisher.play(&sent, 0) => {}
                _ = &mut ended => drop(publisher.finish().await),
            }
        });
        Ok(Self { task, end: Some(end), tags })
    }

    /// Ends the broadcast as an encoder does.
    pub(crate) async fn finish(mut self) {
        let _ = self.end.take().map(|end| end.send(()));
        let _ = (&mut self.task).await;
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An `[[output]]` of the file: its fields beside name and stream as they would be written.
pub(crate) fn output(name: &str, stream: &str, url: &str, more: &str) -> String {
    format!(
        "[[output]]\nname = \"{name}\"\nstream = \"{stream}\"\nurl = \"{url}\"\nretry = \"200ms\"\nretry_max = \"1s\"\n{more}\n"
    )
}

/// The tags of a recording.
pub(crate) fn read(file: &Path) -> Vec<Tag> {
    outflow_testkit::flv::read_file(file).unwrap_or_else(|why| panic!("{why}"))
}
