//! Inputs that dial: what a server is asked for.

use outflow::error::Reason;
use outflow::monitor::Event;
use outflow_testkit::ingest::{Behaviour, Ingest, Session, Setup};
use outflow_testkit::media::made_up;
use outflow_testkit::tls::Authority;
use outflow_testkit::wire::{Value, text};

use crate::rig::{FullPort, Program, argument, words};

fn says(property: &'static str, value: &'static str) -> Box<dyn Fn(&Session)> {
    Box::new(move |session: &Session| assert_eq!(session.connect_text(property).as_deref(), Some(value)))
}

fn plays(name: &'static str) -> Box<dyn Fn(&Session)> {
    Box::new(move |session: &Session| assert_eq!(session.played.as_deref(), Some(name)))
}

/// What `play` gives as start, and what is subscribed to.
fn asks(start: f64, subscribed: Option<&'static str>) -> Box<dyn Fn(&Session)> {
    Box::new(move |session: &Session| {
        assert_eq!(argument(session, "play", 1), Some(Value::Number(start)));
        assert_eq!(argument(session, "FCSubscribe", 0), subscribed.map(text));
    })
}

/// The milliseconds of SetBufferLength (Adobe RTMP 1.0 §6.2).
fn buffers(millis: u32) -> Box<dyn Fn(&Session)> {
    Box::new(move |session: &Session| {
        let sent: Vec<_> = session.user_controls(3).iter().map(|body| body[4..].to_vec()).collect();
        assert_eq!(sent, [millis.to_be_bytes()]);
    })
}

/// Path, options, and what is seen of them.
type Row = (&'static str, &'static str, Box<dyn Fn(&Session)>);

fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = vec![
        ("live/name", "", says("app", "live")),
        ("live/name", "", plays("name")),
        ("live/name", "", asks(-2000.0, None)),
        ("live/name", "", buffers(3000)),
        ("live/name", "", says("flashVer", "LNX 9,0,124,2")),
        ("live/name", "rtmp_app=other", says("app", "other")),
        ("live/name", "rtmp_playpath=path", plays("path")),
        ("live", "key=secret?x=1", plays("secret?x=1")),
        ("live/name", "rtmp_tcurl=rtmp://else:1/where", says("tcUrl", "rtmp://else:1/where")),
        ("live/name", "rtmp_flashver=mine", says("flashVer", "mine")),
        ("live/name", "rtmp_pageurl=http://page/x", says("pageUrl", "http://page/x")),
        ("live/name", "rtmp_swfurl=http://swf/x", says("swfUrl", "http://swf/x")),
        (
            "live/name",
            ":rtmp_conn=B:1%20S:words::",
            Box::new(|session| {
                assert_eq!(argument(session, "connect", 0), Some(Value::Boolean(true)));
                assert_eq!(argument(session, "connect", 1), Some(text("words")));
            }),
        ),
        ("live/name", "rtmp_live=any", asks(-2000.0, None)),
        ("live/name", "rtmp_live=live", asks(-1000.0, Some("name"))),
        ("live/name", "rtmp_live=recorded", asks(0.0, None)),
        ("live/name", "rtmp_subscribe=other", asks(-2000.0, Some("other"))),
        ("live/name", "rtmp_buffer=1234", buffers(1234)),
    ];
    if cfg!(target_os = "linux") {
        let from = |session: &Session| assert_eq!(session.peer.ip().to_string(), "127.0.0.2");
        rows.push(("live/name", "bind=127.0.0.2", Box::new(from)));
    }
    rows
}

#[tokio::test]
async fn what_is_asked_for() {
    let rows = rows();
    let mut servers = Vec::new();
    let mut line = String::new();
    for (path, options, _) in &rows {
        let server = Ingest::start(Behaviour::Good).await;
        line += &format!(" -i {}:gpac:{options} -o null", server.url(path));
        servers.push(server);
    }
    let authority = Authority::new();
    let secure = Setup::new([Behaviour::Good]).tls(&authority.identity(&["localhost"])).start().await;
    line += &format!(" -i {}:gpac:ca={}:name=given -o null", secure.url("live/name"), authority.path().display());
    let program = Program::start(&words(&line));
    for ((_, options, check), server) in rows.iter().zip(&servers) {
        println!("{options}");
        server.wait_for_players(1).await;
        // It comes last of all that a player asks.
        server.wait_for("SetBufferLength", |state| !state.sessions[0].user_controls(3).is_empty()).await;
        check(&server.session(0));
    }
    secure.wait_for_players(1).await;
    made_up(3, 3, 100).iter().for_each(|tag| secure.send_tag(tag));
    let started = |event: &Event| matches!(event, Event::InputStarted { input, .. } if input == "given").then_some(());
    program.event("the input under its name", started).await;
}

#[tokio::test]
async fn how_often_and_how_long_it_is_tried() {
    let bad = || Ingest::start(Behaviour::RefusePlay("NetStream.Play.StreamNotFound"));
    let (quick, doubling, slow, twice) = (bad().await, bad().await, bad().await, bad().await);
    let full = FullPort::new().await;
    let authority = Authority::new();
    let secure = Setup::new([Behaviour::Good]).tls(&authority.identity(&["localhost"])).start().await;
    let line = format!(
        "-i {}:gpac:retry=20ms:retry_max=40ms -o null -i {}:gpac:retry=20ms -o null \
         -i {}:gpac:retry=30s:retry_max=30s -o null \
         -i {}:gpac:name=twice:retry=20ms:retries=2 -o null -i rtmp://{}/a/b:gpac:name=full:timeout=300ms -o null \
         -i {}:gpac:name=distrustful -o null",
        quick.url("a/b"),
        doubling.url("a/b"),
        slow.url("a/b"),
        twice.url("a/b"),
        full.address,
        secure.url("a/b"),
    );
    let program = Program::start(&words(&line));
    let ended = |name: &'static str, last: bool| {
        move |event: &Event| match event {
            Event::InputEnded { input, reason, retry_in } if input == name && retry_in.is_none() == last => {
                Some(reason.clone())
            }
            _ => None,
        }
    };
    quick.wait_for("many attempts", |state| state.connections() >= 15).await;
    // Its waits grow up to 10 s: 20 ms, 40 ms, 80 ms ...
    assert!(doubling.state.look(|state| state.connections()) < 12);
    slow.wait_for("one attempt", |state| state.connections() >= 1).await;
    assert_eq!(program.event("the end of it", ended("twice", true)).await.reason, Reason::NotFound);
    assert_eq!(twice.state.look(|state| state.connections()), 2);
    let reason = program.event("the deadline", ended("full", false)).await;
    assert_eq!(reason.reason, Reason::Timeout, "{reason}");
    assert!(reason.text.contains("0.3 s"), "{reason}");
    assert_eq!(program.event("no trust without ca=", ended("distrustful", false)).await.reason, Reason::Tls);
    assert_eq!(slow.state.look(|state| state.connections()), 1);
}
