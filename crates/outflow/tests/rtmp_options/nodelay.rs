//! `tcp_nodelay`: what the kernel is told of the sockets of words of every role.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use outflow::monitor::Event;
use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::media::made_up;
use outflow_testkit::player::Player;
use rustix::net::SocketAddrAny;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::rig::{Feeder, Program, words};

/// Sockets of this process, in which the graph runs: another handle to each.
fn sockets() -> Vec<OwnedFd> {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let numbers = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
        let entry = entry.ok()?;
        let target = std::fs::read_link(entry.path()).ok()?;
        let number: i32 = entry.file_name().to_str()?.parse().ok()?;
        target.to_str()?.starts_with("socket:").then_some(number)
    });
    numbers.filter_map(|number| pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).ok()).collect()
}

/// Whether the first socket that `is` picks sends small segments at once.
fn nodelay(is: impl Fn(&OwnedFd) -> bool) -> bool {
    let sockets = sockets();
    let socket = sockets.iter().find(|socket| is(socket)).expect("the connection is there");
    rustix::net::sockopt::tcp_nodelay(socket.as_fd()).unwrap()
}

fn is(address: Option<SocketAddrAny>, wanted: SocketAddr) -> bool {
    address.and_then(|address| SocketAddr::try_from(address).ok()) == Some(wanted)
}

/// Of our end of a connection that the peer with this address made.
fn nodelay_towards(peer: SocketAddr) -> bool {
    nodelay(|socket| is(rustix::net::getpeername(socket).ok().flatten(), peer))
}

/// Of our end of a connection that we made from this address.
fn nodelay_from(address: SocketAddr) -> bool {
    nodelay(|socket| is(rustix::net::getsockname(socket).ok(), address))
}

#[tokio::test]
async fn small_segments_go_at_once_unless_they_are_to_be_gathered() {
    let servers = [Ingest::start(Behaviour::Good).await, Ingest::start(Behaviour::Good).await];
    let pulled = [Ingest::start(Behaviour::Good).await, Ingest::start(Behaviour::Good).await];
    let line = format!(
        "-i rtmp://127.0.0.1:0/one:gpac:rtmp_listen=1 \
         -o rtmp://127.0.0.1:0/yes:gpac:rtmp_listen=1:name=yes \
         -o rtmp://127.0.0.1:0/no:gpac:rtmp_listen=1:name=no:tcp_nodelay=no \
         -o {} -o {}:gpac:tcp_nodelay=no",
        servers[0].url("a/b"),
        servers[1].url("a/b"),
    );
    let program = Program::start(&words(&line));
    let input = program.port("/one").await;
    let mut feeder = Feeder::start(&format!("rtmp://127.0.0.1:{input}/one/x"), made_up(5000, 10, 300)).await;
    for (app, expected) in [("yes", true), ("no", false)] {
        let port = program.port(&format!("/{app}")).await;
        let player = Player::connect(&format!("rtmp://127.0.0.1:{port}/{app}/x")).await.unwrap();
        feeder.send_until(async { drop(player.wait_for_media(5).await) }).await;
        let joined = |event: &Event| match event {
            Event::PlayerJoined { output, peer } if output == app => Some(*peer),
            _ => None,
        };
        assert_eq!(nodelay_towards(program.event("the player", joined).await), expected, "a player of {app}");
    }
    for (server, expected) in servers.iter().zip([true, false]) {
        feeder.send_until(server.wait_for_media(0, 5)).await;
        assert_eq!(nodelay_from(server.session(0).peer), expected, "a push");
    }
    let line = format!(
        "-i {} -o null -i {}:gpac:tcp_nodelay=no -o null \
         -i rtmp://127.0.0.1:0/yes:gpac:rtmp_listen=1:name=yes -o null \
         -i rtmp://127.0.0.1:0/no:gpac:rtmp_listen=1:name=no:tcp_nodelay=no -o null",
        pulled[0].url("a/b"),
        pulled[1].url("a/b")
    );
    let program = Program::start(&words(&line));
    for (server, expected) in pulled.iter().zip([true, false]) {
        server.wait_for_players(1).await;
        assert_eq!(nodelay_from(server.session(0).peer), expected, "a pull");
    }
    for (app, expected) in [("yes", true), ("no", false)] {
        let port = program.port(&format!("/{app}")).await;
        let mut feeder = Feeder::start(&format!("rtmp://127.0.0.1:{port}/{app}/x"), made_up(10, 10, 300)).await;
        feeder.send(3).await;
        let started = |event: &Event| match event {
            Event::InputStarted { input, what } if input == app => {
                what.strip_prefix("a publisher from ")?.parse::<SocketAddr>().ok()
            }
            _ => None,
        };
        assert_eq!(nodelay_towards(program.event("the publisher", started).await), expected, "a publisher to {app}");
    }
}
