//! Users and passwords: who has to log in, who gets in, and what is said of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use outflow::config::{Config, Pull, StreamRule};
use outflow::secret::Secret;
use outflow_rtmp::auth::{Credentials, Demand, Login};
use outflow_rtmp::session::{Capabilities, ClientConfig, ClientEvent, ClientSession, Role};
use outflow_testkit::player::Player;
use outflow_testkit::publisher::Publisher;
use outflow_testkit::wait::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::{Rig, config, rule};

/// `guarded/*` wants alice or bob, `both/*` a key as well, `watched/*` wants players to log in; `open/*` wants nothing.
fn guarded() -> Config {
    let users = BTreeMap::from([("alice", "pass w0rd"), ("bob", "b0b"), ("eve", "3ve")]);
    let users = users.into_iter().map(|(user, password)| (user.to_owned(), Secret::new(password))).collect();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let streams = vec![
        StreamRule { publish_users: names(&["alice", "bob"]), ..rule("guarded/*") },
        StreamRule { publish_users: names(&["alice"]), publish_keys: vec![Secret::new("k3y")], ..rule("both/show") },
        StreamRule { play_users: names(&["bob"]), ..rule("watched/*") },
        rule("open/*"),
    ];
    Config { users, streams, ..config() }
}

/// How one connection ended.
#[derive(Debug, PartialEq)]
enum Told {
    Started,
    /// Code and description.
    Refused(String, String),
    /// The demand of a login.
    Asked(Demand),
}

/// One connection, kept as long as the socket is.
async fn connect(to: SocketAddr, role: Role, path: &str, auth: Option<Secret>) -> (Told, TcpStream) {
    let (app, name) = path.split_once('/').unwrap();
    let mut config = ClientConfig::new(role, app, name, &format!("rtmp://{to}/{app}"), [7; 1528]);
    config.auth = auth.map(|auth| auth.expose().into());
    let mut session = ClientSession::new(config);
    let mut tcp = TcpStream::connect(to).await.unwrap();
    let mut buffer = [0; 4096];
    loop {
        tcp.write_all(&session.take_output()).await.unwrap();
        let length = tcp.read(&mut buffer).await.unwrap();
        assert!(length > 0, "closed without a word");
        session.receive(&buffer[..length]).unwrap();
        while let Some(event) = session.next_event() {
            let told = match event {
                ClientEvent::Started => Told::Started,
                ClientEvent::Refused(refusal) => match refusal.auth {
                    Some(demand) => Told::Asked(demand),
                    None => Told::Refused(refusal.code, refusal.description),
                },
                _ => continue,
            };
            return (told, tcp);
        }
    }
}

/// Logs in as far as it goes: what was said last, and the last proof that was sent.
async fn log_in(to: SocketAddr, role: Role, path: &str, who: (&str, &str)) -> (Told, TcpStream, Option<Secret>) {
    let mut login = Login::new(Credentials { user: who.0.into(), password: who.1.into() });
    for round in 0.. {
        let query = login.query().map(|query| Secret::new(query.expose()));
        let (told, tcp) = connect(to, role, path, query.clone()).await;
        let app = path.split_once('/').unwrap().0;
        match &told {
            Told::Asked(demand) if login.answer(demand, app, round).is_ok() => {}
            _ => return (told, tcp, query),
        }
    }
    unreachable!("a login ends")
}

/// The reason of a failed login, as clients read it.
fn reason(told: &Told) -> String {
    match told {
        Told::Asked(demand) => format!("{:?}", demand.step),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_knows_the_password_gets_in_and_nobody_else() {
    let rig = Rig::start(guarded());
    let to = rig.port.address;
    for who in [("alice", "pass w0rd"), ("bob", "b0b")] {
        let (told, _tcp, _) = log_in(to, Role::Publish, &format!("guarded/{}", who.0), who).await;
        assert_eq!(told, Told::Started, "{who:?}");
    }
    for (who, said) in [
        (("alice", "b0b"), "Failed"),
        (("alice", ""), "Failed"),
        (("mallory", "pass w0rd"), "NoSuchUser"),
        (("al ice", "pass w0rd"), "Failed"),
    ] {
        let (told, ..) = log_in(to, Role::Publish, "guarded/show", who).await;
        assert_eq!(reason(&told), said, "{who:?}");
    }
    // Known, and of another stream.
    let (told, ..) = log_in(to, Role::Publish, "guarded/show", ("eve", "3ve")).await;
    let Told::Refused(code, _) = told else { panic!("{told:?}") };
    assert_eq!(code, "NetStream.Publish.Denied");
    // Without a login it is asked for one, before it has said what it wants.
    let (told, _) = connect(to, Role::Publish, "guarded/show", None).await;
    assert_eq!(reason(&told), "User");
    assert!(Publisher::connect(&rig.url("guarded/show")).await.is_err());
    assert_eq!(connect(to, Role::Publish, "open/show", None).await.0, Told::Started);
    // One who says neither whether it plays nor whether it publishes comes to the same end.
    let said = rig.said();
    for secret in ["pass w0rd", "b0b", "3ve", "response="] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
    assert!(said.contains("the password for user alice is wrong") && said.contains("not in [users]"), "{said}");
    assert!(!said.contains("mallory"), "it may be a password in the wrong place: {said}");
}

#[tokio::test]
async fn players_of_a_guarded_stream_need_no_login_and_those_of_a_watched_one_do() {
    let rig = Rig::start(guarded());
    let to = rig.port.address;
    let (told, _publisher, _) = log_in(to, Role::Publish, "guarded/show", ("bob", "b0b")).await;
    assert_eq!(told, Told::Started);
    until("the publisher", || rig.relay.stream("guarded/show").is_some_and(|stream| stream.publisher.is_some())).await;
    let _player = Player::connect(&rig.url("guarded/show")).await.unwrap();
    let _show = rig.publish("watched/show").await;
    until("the show", || rig.relay.stream("watched/show").is_some_and(|stream| stream.live)).await;
    let (told, ..) = log_in(to, Role::Play, "watched/show", ("bob", "b0b")).await;
    assert_eq!(told, Told::Started);
    let (told, ..) = log_in(to, Role::Play, "watched/show", ("alice", "pass w0rd")).await;
    assert!(matches!(told, Told::Refused(..)), "{told:?}");
    assert!(Player::connect(&rig.url("watched/show")).await.is_err());
}

#[tokio::test]
async fn beside_a_key_both_are_needed() {
    let rig = Rig::start(guarded());
    let to = rig.port.address;
    let alice = ("alice", "pass w0rd");
    for good in ["both/show?key=k3y", "both/k3y"] {
        let (told, tcp, _) = log_in(to, Role::Publish, good, alice).await;
        assert_eq!(told, Told::Started, "{good}");
        drop(tcp);
        until("the end", || rig.relay.publishers().is_empty()).await;
    }
    for (bad, who) in [("both/show", alice), ("both/show?key=k3y", ("bob", "b0b")), ("both/k3y", ("bob", "b0b"))] {
        let (told, ..) = log_in(to, Role::Publish, bad, who).await;
        assert!(matches!(told, Told::Refused(..)), "{bad} {who:?}: {told:?}");
    }
}

#[tokio::test]
async fn a_proof_that_was_overheard_is_worth_nothing() {
    let rig = Rig::start(guarded());
    let to = rig.port.address;
    let (told, tcp, proof) = log_in(to, Role::Publish, "guarded/show", ("alice", "pass w0rd")).await;
    assert_eq!(told, Told::Started);
    drop(tcp);
    until("the end", || rig.relay.publishers().is_empty()).await;
    let (told, _) = connect(to, Role::Publish, "guarded/show", proof).await;
    assert_eq!(reason(&told), "Failed");
    assert!(rig.said().contains("was given before"), "{}", rig.said());
}

/// Ten guesses from one address, however many connections ask at once; then not even the right password is looked at.
#[tokio::test]
async fn guesses_are_bounded() {
    let rig = Rig::start(guarded());
    let (to, begin) = (rig.port.address, Instant::now());
    let guess = |number: u32| async move {
        let word = format!("guess-{number}");
        reason(&log_in(to, Role::Publish, "guarded/show", ("alice", &word)).await.0)
    };
    let guesses: Vec<_> = (0..30).map(|number| tokio::spawn(guess(number))).collect();
    for guess in guesses {
        assert_eq!(guess.await.unwrap(), "Failed");
    }
    assert!(begin.elapsed() >= Duration::from_secs(1), "each waits for its answer");
    let said = rig.said();
    assert_eq!(said.matches("the password for user alice is wrong").count(), 10, "{said}");
    assert!(said.contains("none is looked at"), "{said}");
    let (told, _) = connect(to, Role::Publish, "guarded/show", None).await;
    assert_eq!(reason(&told), "Failed");
    assert_eq!(connect(to, Role::Publish, "open/show", None).await.0, Told::Started, "others are not shut out");
}

/// At the end of the server a player that can is told to connect anew, and the others that the broadcast is over.
#[tokio::test]
async fn players_are_told_when_we_end() {
    let rig = Rig::start(config());
    let _show = rig.publish("live/show").await;
    until("the show", || rig.relay.stream("live/show").is_some_and(|stream| stream.live)).await;
    let plain = Player::connect(&rig.url("live/show")).await.unwrap();
    let to = rig.port.address;
    let mut config = ClientConfig::new(Role::Play, "live", "show", &format!("rtmp://{to}/live"), [7; 1528]);
    config.capabilities = Capabilities::player();
    let mut session = ClientSession::new(config);
    let mut tcp = TcpStream::connect(to).await.unwrap();
    let (begun, mut begins) = tokio::sync::oneshot::channel();
    let mut begun = Some(begun);
    let told = tokio::spawn(async move {
        let (mut told, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            tcp.write_all(&session.take_output()).await.unwrap();
            let length @ 1.. = tcp.read(&mut buffer).await.unwrap() else { return told };
            session.receive(&buffer[..length]).unwrap();
            while let Some(event) = session.next_event() {
                match event {
                    ClientEvent::Media(_) => drop(begun.take().map(|begun| begun.send(()))),
                    ClientEvent::Started | ClientEvent::Connected(_) | ClientEvent::HandshakeDone => {}
                    other => told.push(other),
                }
            }
        }
    });
    (&mut begins).await.unwrap();
    plain.received.wait_for("media", |received| (received.media_messages > 5).then_some(())).await;
    rig.relay.drain().await;
    let told = told.await.unwrap();
    let asked = |event: &ClientEvent| matches!(event, ClientEvent::ReconnectRequest { tc_url: None, .. });
    assert!(told.iter().any(asked), "{told:?}");
    assert!(!told.iter().any(|event| matches!(event, ClientEvent::StreamEof | ClientEvent::Ended { .. })), "{told:?}");
    let is_end = |code: &String| code == "NetStream.Play.UnpublishNotify";
    plain.received.wait_for("the end", |received| received.statuses.iter().any(is_end).then_some(())).await;
}

/// A relay that pulls is asked to connect anew when its server ends: its own players are not told the end, and go on when the
/// server is back.
#[tokio::test]
async fn a_pull_outlasts_the_server_that_it_pulls_from() {
    let origin = Rig::start(config());
    let _show = origin.publish("live/show").await;
    until("the show", || origin.relay.stream("live/show").is_some_and(|stream| stream.live)).await;
    let retry = ("retry", outflow::options::Value::Duration(Duration::from_millis(100)));
    let pull = Some(Pull { url: Secret::new(origin.url("live/show")), options: vec![retry] });
    let edge = Rig::start(Config { streams: vec![StreamRule { pull, ..rule("edge/show") }], ..config() });
    until("the pull", || edge.relay.stream("edge/show").is_some_and(|stream| stream.live)).await;
    let player = Player::connect(&edge.url("edge/show")).await.unwrap();
    let media = async |more: usize| {
        let so_far = player.received.look(|received| received.media_messages);
        player.received.wait_for("media", |received| (received.media_messages >= so_far + more).then_some(())).await;
    };
    media(50).await;
    let port = origin.port.address.port();
    origin.relay.drain().await;
    origin.port.close();
    drop(origin);
    until("the end of the first", || edge.said().contains("asks us to connect anew")).await;
    until("the port", || std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()).await;
    let back = Rig::at(port, config());
    let _show = back.publish("live/show").await;
    media(100).await;
    outflow_testkit::compare::monotonic(&player.tags()).unwrap();
    player.received.look(|received| {
        assert!(received.end.is_none() && !received.statuses.iter().any(|code| code.contains("Unpublish")));
    });
}
