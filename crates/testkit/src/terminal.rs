//! A real terminal, that of tmux, for programs that draw on one.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::free_port;
use crate::wait::DEADLINE;

/// A terminal of 80 by 24 on a server of its own, which ends with it.
#[derive(Debug)]
pub struct Terminal {
    socket: String,
}

impl Terminal {
    /// Runs a shell's command in it; `None` (and a line on standard error) where there is no tmux.
    pub fn start(command: &str, env: &[(&str, &str)]) -> Option<Self> {
        let socket = format!("outflow-test-{}-{}", std::process::id(), free_port());
        let mut tmux = Command::new("tmux");
        tmux.envs(env.iter().copied()).env_remove("TMUX").env("TERM", "xterm-256color");
        let started =
            tmux.args(["-L", &socket, "-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", command]);
        if !started.status().is_ok_and(|status| status.success()) {
            eprintln!("skipped: tmux is not installed");
            return None;
        }
        Some(Self { socket })
    }

    fn tmux(&self, words: &[&str]) -> std::process::Output {
        Command::new("tmux").args(["-L", &self.socket]).args(words).output().expect("tmux runs")
    }

    /// Presses keys, by tmux' names for them.
    pub fn press(&self, keys: &str) {
        self.tmux(&["send-keys", keys]);
    }

    /// What stands on it now.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// Waits until it shows this; gives all that it shows then.
    pub async fn shows(&self, what: &str) -> String {
        let start = Instant::now();
        loop {
            let text = self.text();
            if text.contains(what) {
                return text;
            }
            assert!(start.elapsed() < DEADLINE, "the terminal never showed {what:?}:\n{text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
