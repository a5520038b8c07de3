//! Outputs that dial: what a server gets.

use std::time::Duration;

use outflow::error::Reason;
use outflow::monitor::{Event, State};
use outflow_testkit::compare::holes_end_at_key_frames;
use outflow_testkit::ingest::{Behaviour, Ingest, Session, Setup};
use outflow_testkit::media::made_up;
use outflow_testkit::tls::Authority;
use outflow_testkit::wire::{Value, text};

use crate::rig::{Feeder, FullPort, Program, argument, first_frame, words};

const INPUT: &str = "-i rtmp://127.0.0.1:0/in:gpac:rtmp_listen=1";

fn says(property: &'static str, value: &'static str) -> impl Fn(&Session) {
    move |session: &Session| assert_eq!(session.connect_text(property).as_deref(), Some(value))
}

fn publishes(name: &'static str) -> impl Fn(&Session) {
    move |session: &Session| assert_eq!(session.published.as_deref(), Some(name))
}

/// Path, options, and what is seen of them.
type Row = (&'static str, &'static str, Box<dyn Fn(&Session)>);

fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = vec![
        (
            "live/name",
            "",
            Box::new(|session| {
                says("app", "live")(session);
                publishes("name")(session);
                assert!(session.connect_text("flashVer").unwrap().starts_with("FMLE/3.0"));
                assert_eq!(session.connect_text("tcUrl").unwrap().matches('/').count(), 3);
                assert_eq!((session.connect_text("pageUrl"), session.connect_text("swfUrl")), (None, None));
                assert_eq!(argument(session, "connect", 0), None);
                assert_eq!(session.chunk_sizes(), [4096]);
                assert!(session.tags().iter().any(|tag| tag.kind == 8));
            }),
        ),
        ("live/name", "rtmp_app=other", Box::new(says("app", "other"))),
        ("live/name", "rtmp_playpath=path", Box::new(publishes("path"))),
        ("live/name", "rtmp_tcurl=rtmp://else:1/where", Box::new(says("tcUrl", "rtmp://else:1/where"))),
        ("live/name", "rtmp_flashver=mine", Box::new(says("flashVer", "mine"))),
        ("live/name", "rtmp_pageurl=http://page/x", Box::new(says("pageUrl", "http://page/x"))),
        ("live/name", "rtmp_swfurl=http://swf/x", Box::new(says("swfUrl", "http://swf/x"))),
        (
            "live/name",
            ":rtmp_conn=B:1%20S:words%20N:2.5::",
            Box::new(|session| {
                let found: Vec<_> = (0..4).map(|n| argument(session, "connect", n)).collect();
                let sent = [Some(Value::Boolean(true)), Some(text("words")), Some(Value::Number(2.5)), None];
                assert_eq!(found, sent);
            }),
        ),
        ("live", "key=secret?x=1", Box::new(publishes("secret?x=1"))),
        ("live/name", "chunk_size=1000", Box::new(|session| assert_eq!(session.chunk_sizes(), [1000]))),
        (
            "live/name",
            "tracks=video",
            Box::new(|session| assert!(session.tags().iter().all(|tag| tag.kind != 8), "no sound")),
        ),
        (
            "live/name",
            "tracks=audio",
            Box::new(|session| assert!(session.tags().iter().all(|tag| tag.kind != 9), "no picture")),
        ),
    ];
    if cfg!(target_os = "linux") {
        rows.push((
            "live/name",
            "bind=127.0.0.2",
            Box::new(|session| assert_eq!(session.peer.ip().to_string(), "127.0.0.2")),
        ));
    }
    rows
}

#[tokio::test]
async fn what_is_said_and_sent() {
    let rows = rows();
    let mut servers = Vec::new();
    let mut line = INPUT.to_owned();
    for (path, options, _) in &rows {
        let server = Ingest::start(Behaviour::Good).await;
        line += &format!(" -o {}:gpac:{options}", server.url(path));
        servers.push(server);
    }
    let authority = Authority::new();
    let secure = Setup::new([Behaviour::Good]).tls(&authority.identity(&["localhost"])).start().await;
    line += &format!(" -o {}:gpac:ca={}:name=given", secure.url("live/name"), authority.path().display());
    let program = Program::start(&words(&line));
    let input = program.port("/in").await;
    let mut feeder = Feeder::start(&format!("rtmp://127.0.0.1:{input}/in/x"), made_up(5000, 10, 3000)).await;
    feeder
        .send_until(async {
            for server in servers.iter().chain([&secure]) {
                server.wait_for_media(0, 30).await;
            }
        })
        .await;
    for ((_, options, check), server) in rows.iter().zip(&servers) {
        println!("{options}");
        check(&server.session(0));
    }
    let live = |event: &Event| match event {
        Event::Output { output, state: State::Live, .. } if output == "given" => Some(()),
        _ => None,
    };
    program.event("the output under its name", live).await;
}

#[tokio::test]
async fn where_it_begins() {
    // One that comes only at its second attempt: then the key frame that called for it is old.
    let late = [Behaviour::RefuseConnect("NetConnection.Connect.Rejected", "later"), Behaviour::Good];
    let (gop, key) = (Ingest::start(Behaviour::Good).await, Setup::new(late).start().await);
    let (gop_url, key_url) = (gop.url("a/b"), key.url("a/b"));
    let line = format!("{INPUT} -o {gop_url}:gpac:start=gop -o {key_url}:gpac:start=key:retry=2s:retry_max=2s");
    let program = Program::start(&words(&line));
    let input = program.port("/in").await;
    let mut feeder = Feeder::start(&format!("rtmp://127.0.0.1:{input}/in/x"), made_up(5000, 20, 500)).await;
    // Headers and half a group, which only one of the two may have.
    feeder.send(3 + 2 * 10).await;
    gop.wait_for_media(0, 10).await;
    key.wait_for("the second publish", |state| state.published().is_some()).await;
    feeder.send_until(key.wait_for_media(1, 10)).await;
    let frames: Vec<_> = feeder.sent.iter().map(|(tag, _)| tag).filter(|tag| tag.kind == 9 && tag.is_frame()).collect();
    let begins = |server: &Ingest, n| first_frame(&server.session(n).tags()).unwrap().body.clone();
    assert_eq!(begins(&gop, 0), frames[0].body);
    let place = frames.iter().position(|tag| tag.body == begins(&key, 1)).unwrap();
    assert!(place > 0 && place % 20 == 0, "{place}");
}

#[tokio::test]
async fn how_late_and_in_which_pieces() {
    let servers = [
        Ingest::start(Behaviour::Good).await,
        Ingest::start(Behaviour::Good).await,
        Ingest::start(Behaviour::Good).await,
    ];
    let [plain, delayed, gathered] = &servers;
    let line = format!(
        "{INPUT} -o {} -o {}:gpac:delay=900ms -o {}:gpac:latency=400ms",
        plain.url("a/b"),
        delayed.url("a/b"),
        gathered.url("a/b")
    );
    let program = Program::start(&words(&line));
    let input = program.port("/in").await;
    let mut feeder = Feeder::start(&format!("rtmp://127.0.0.1:{input}/in/x"), made_up(5000, 10, 300)).await;
    feeder
        .send_until(async {
            for server in &servers {
                server.wait_for_media(0, 150).await;
            }
        })
        .await;
    let waits = |server: &Ingest| -> Vec<Duration> {
        let session = server.session(0);
        let frames = session.tags().into_iter().zip(&session.arrivals).filter(|(tag, _)| tag.is_frame());
        frames.map(|(tag, arrival)| arrival.at.duration_since(feeder.sent_at(&tag).unwrap())).collect()
    };
    assert!(waits(delayed).iter().all(|wait| *wait >= Duration::from_millis(900)));
    assert!(waits(plain).iter().any(|wait| *wait < Duration::from_millis(900)));
    let pieces = |server: &Ingest| server.session(0).media_messages as f64 / server.session(0).reads as f64;
    assert!(pieces(gathered) > 3.0, "{} messages a read", pieces(gathered));
    assert!(pieces(gathered) > pieces(plain), "{} {}", pieces(gathered), pieces(plain));
}

#[tokio::test]
async fn a_server_that_stops_reading_is_skipped_for_after_max_lag() {
    let server = || Setup::new([Behaviour::StopReading(300_000)]).receive_buffer(16 << 10).start();
    let (short, long) = (server().await, server().await);
    let line = format!(
        "{INPUT} -o {}:gpac:name=short:max_lag=300ms -o {}:gpac:name=long:max_lag=60s",
        short.url("a/b"),
        long.url("a/b")
    );
    let program = Program::start(&words(&line));
    let input = program.port("/in").await;
    let mut feeder = Feeder::start(&format!("rtmp://127.0.0.1:{input}/in/x"), made_up(5000, 10, 60_000)).await;
    let skipped = |name: &'static str| {
        move |event: &Event| matches!(event, Event::Skipped { output, .. } if output == name).then_some(())
    };
    let stop = async {
        let limit = |state: &outflow_testkit::ingest::State| state.bytes() > 200_000;
        short.wait_for("its limit", limit).await;
        long.wait_for("its limit", limit).await;
        // What one has left out by then is counted when it goes on.
        program.lag("long", 1500).await;
        short.resume();
        long.resume();
        program.event("a skip", skipped("short")).await;
        let now = short.session(0).media_messages;
        short.wait_for_media(0, now + 20).await;
    };
    feeder.send_until(stop).await;
    let fed: Vec<_> = feeder.sent.iter().map(|(tag, _)| tag.clone()).collect();
    assert!(holes_end_at_key_frames(&fed, &short.session(0).tags()).unwrap() > 0);
    assert_eq!(holes_end_at_key_frames(&fed, &long.session(0).tags()).unwrap(), 0);
    assert!(program.events.look(|events| events.iter().find_map(skipped("long")).is_none()));
}

#[tokio::test]
async fn how_often_and_how_long_it_is_tried() {
    let bad = || Ingest::start(Behaviour::RefusePublish("NetStream.Publish.BadName"));
    let (quick, doubling, slow, twice) = (bad().await, bad().await, bad().await, bad().await);
    let full = FullPort::new().await;
    let authority = Authority::new();
    let secure = Setup::new([Behaviour::Good]).tls(&authority.identity(&["localhost"])).start().await;
    let line = format!(
        "{INPUT} -o {}:gpac:retry=20ms:retry_max=40ms -o {}:gpac:retry=20ms -o {}:gpac:retry=30s:retry_max=30s \
         -o {}:gpac:name=twice:retry=20ms:retries=2 -o rtmp://{}/a/b:gpac:name=full:timeout=300ms \
         -o {}:gpac:name=distrustful",
        quick.url("a/b"),
        doubling.url("a/b"),
        slow.url("a/b"),
        twice.url("a/b"),
        full.address,
        secure.url("a/b"),
    );
    let program = Program::start(&words(&line));
    let input = program.port("/in").await;
    let mut feeder = Feeder::start(&format!("rtmp://127.0.0.1:{input}/in/x"), made_up(5000, 10, 300)).await;
    let state = |name: &'static str, wanted: State| {
        move |event: &Event| match event {
            Event::Output { output, state, reason, attempt, .. } if output == name && *state == wanted => {
                Some((reason.clone(), *attempt))
            }
            _ => None,
        }
    };
    feeder
        .send_until(async {
            quick.wait_for("many attempts", |state| state.connections() >= 15).await;
            // Its waits grow up to 10 s: 20 ms, 40 ms, 80 ms ...
            assert!(doubling.state.look(|state| state.connections()) < 12);
            slow.wait_for("one attempt", |state| state.connections() >= 1).await;
            let (_, attempts) = program.event("the end of it", state("twice", State::Failed)).await;
            assert_eq!(attempts, 2);
            let (reason, _) = program.event("the deadline", state("full", State::Backoff)).await;
            let reason = reason.unwrap();
            assert_eq!(reason.reason, Reason::Timeout, "{reason}");
            assert!(reason.text.contains("0.3 s"), "{reason}");
            let (reason, _) = program.event("no trust without ca=", state("distrustful", State::Backoff)).await;
            assert_eq!(reason.unwrap().reason, Reason::Tls);
        })
        .await;
    assert_eq!(twice.state.look(|state| state.connections()), 2);
    // As the first wait of the slow one is 21 s at least.
    assert_eq!(slow.state.look(|state| state.connections()), 1);
}

#[tokio::test]
async fn how_long_it_stays_without_media() {
    let (short, long) = (Ingest::start(Behaviour::Good).await, Ingest::start(Behaviour::Good).await);
    let line = format!("{INPUT} -o {}:gpac:grace=300ms -o {}", short.url("a/b"), long.url("a/b"));
    let program = Program::start(&words(&line));
    let input = program.port("/in").await;
    let mut feeder = Feeder::start(&format!("rtmp://127.0.0.1:{input}/in/x"), made_up(5000, 10, 300)).await;
    feeder
        .send_until(async {
            short.wait_for_media(0, 10).await;
            long.wait_for_media(0, 10).await;
        })
        .await;
    feeder.vanish();
    short.wait_for("the end of the connection", |state| state.open == 0).await;
    assert_eq!(long.state.look(|state| state.open), 1);
}
