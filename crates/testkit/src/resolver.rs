//! A name server that never answers, for programs that look names up through the system.

use std::io::Write;
use std::net::UdpSocket;

use crate::proc::Command;

const MOUNT: &str = "mount --bind \"$0\" /etc/resolv.conf";

/// Takes questions and keeps silent. Where this machine does not allow it (it takes root, port 53 of a loopback address
/// and a mount namespace of its own), commands run as they are and unknown names fail in whatever way the system has.
#[derive(Debug)]
pub struct Hanging {
    server: Option<(UdpSocket, tempfile::NamedTempFile)>,
}

impl Hanging {
    /// Binds the first free loopback address.
    pub fn start() -> Self {
        let bound = (1..=250).find_map(|last| {
            let address = format!("127.53.53.{last}");
            Some((UdpSocket::bind((address.as_str(), 53)).ok()?, address))
        });
        let server = bound.and_then(|(socket, address)| {
            let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
            // Longer than any test, so that the look-up hangs as a black hole does.
            write!(file, "nameserver {address}\noptions timeout:30 attempts:5\n").expect("writes");
            let tried = std::process::Command::new("unshare").args(["-m", "sh", "-c", MOUNT]).arg(file.path()).output();
            tried.is_ok_and(|out| out.status.success()).then_some((socket, file))
        });
        if server.is_none() {
            eprintln!("no hanging resolver: it takes root and a mount namespace");
        }
        Self { server }
    }

    /// Whether look-ups really hang.
    pub fn hangs(&self) -> bool {
        self.server.is_some()
    }

    /// Whether a question has come.
    pub fn was_asked(&self) -> bool {
        self.server
            .as_ref()
            .is_some_and(|(socket, _)| socket.set_nonblocking(true).is_ok() && socket.peek(&mut [0; 512]).is_ok())
    }

    /// A command whose look-ups go to this server. The process that is started becomes the program itself.
    pub fn command(&self, program: &str) -> Command {
        match &self.server {
            None => Command::new(program),
            Some((_, file)) => Command::new("unshare")
                .args(["-m", "sh", "-c", &format!("{MOUNT} && exec \"$@\"")])
                .arg(file.path())
                .arg(program),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_up_hangs() {
        let resolver = Hanging::start();
        if !resolver.hangs() {
            return;
        }
        let mut child = resolver.command("getent").args(["hosts", "nowhere.example"]).start();
        crate::wait::until("the resolver is asked", || resolver.was_asked()).await;
        assert!(child.is_running(), "{}", child.text());
        let mut known = resolver.command("getent").args(["ahostsv4", "localhost"]).start();
        assert_eq!(known.wait_exit().await, 0, "{}", known.text());
    }
}
