//! A name server that does not answer until it is told to, for programs that look names up through the system.

use std::io::Write;
use std::net::UdpSocket;
use std::time::Duration;

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
        // Longer than any test, so that the look-up hangs as a black hole does.
        Self::start_with("timeout:30 attempts:5")
    }

    /// The same with these options of `resolv.conf`.
    pub fn start_with(options: &str) -> Self {
        let bound = (1..=250).find_map(|last| {
            let address = format!("127.53.53.{last}");
            Some((UdpSocket::bind((address.as_str(), 53)).ok()?, address))
        });
        let server = bound.and_then(|(socket, address)| {
            let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
            write!(file, "nameserver {address}\noptions {options}\n").expect("writes");
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

    /// Answers from now on, to every question that comes: 127.0.0.1 for every name. It ends when the answer is dropped.
    pub fn answer(&self) -> Answering {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let socket = self.server.as_ref().map(|(socket, _)| socket.try_clone().expect("a descriptor"));
        std::thread::spawn(move || {
            let Some(socket) = socket else { return };
            socket.set_nonblocking(false).expect("our own socket");
            socket.set_read_timeout(Some(Duration::from_millis(50))).expect("our own socket");
            let mut question = [0; 512];
            while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
                let Ok((length, from)) = socket.recv_from(&mut question) else { continue };
                if let Some(answer) = address_of(&question[..length]) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Answering { _stop: stop }
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

/// A name server that answers, until dropped.
#[derive(Debug)]
pub struct Answering {
    _stop: std::sync::mpsc::Sender<()>,
}

/// The answer to a question (RFC 1035 §4.1): 127.0.0.1 for an A record, nothing for any other.
fn address_of(question: &[u8]) -> Option<Vec<u8>> {
    let name = 12 + question.get(12..)?.iter().position(|&byte| byte == 0)? + 1;
    let kind = question.get(name..name + 2)?;
    let found = u8::from(kind == [0, 1]);
    let mut answer = question[..2].to_vec();
    answer.extend_from_slice(&[0x81, 0x80, 0, 1, 0, found, 0, 0, 0, 0]);
    answer.extend_from_slice(question.get(12..name + 4)?);
    if found == 1 {
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
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
        let _answering = resolver.answer();
        let mut asks = resolver.command("getent").args(["ahostsv4", "somewhere.example"]).start();
        assert_eq!(asks.wait_exit().await, 0, "{}", asks.text());
        assert!(asks.text().contains("127.0.0.1"), "{}", asks.text());
        let mut known = resolver.command("getent").args(["ahostsv4", "localhost"]).start();
        assert_eq!(known.wait_exit().await, 0, "{}", known.text());
    }
}
