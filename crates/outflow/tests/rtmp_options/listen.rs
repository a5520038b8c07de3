//! Words that listen: what players get, and whom publishers reach.

use std::time::Duration;

use outflow::error::Reason;
use outflow::monitor::Event;
use outflow_testkit::compare::holes_end_at_key_frames;
use outflow_testkit::media::made_up;
use outflow_testkit::player::Player;
use outflow_testkit::publisher::Publisher;

use crate::rig::{Feeder, Program, first_frame, words};

const INPUT: &str = "-i rtmp://127.0.0.1:0/in:gpac:rtmp_listen=1";

async fn player(program: &Program, of: &str, path: &str) -> std::io::Result<Player> {
    Player::connect(&format!("rtmp://127.0.0.1:{}/{path}", program.port(of).await)).await
}

#[tokio::test]
async fn under_which_path_and_key_it_plays() {
    // The word's app, its options, a path that is served, and one that is not.
    let rows = [
        ("plain", "", "plain/any", "other/any"),
        // As FFmpeg reads it: beside an app that is given, the path is the name.
        ("app", "rtmp_app=other", "other/app", "app/any"),
        ("path", "rtmp_playpath=name", "path/name", "path/any"),
        ("key", "key=secret", "key/secret", "key/any"),
        ("guarded", "play_key=pass", "guarded/any?key=pass", "guarded/any"),
    ];
    let mut line = INPUT.to_owned();
    for (app, options, ..) in rows {
        let option = if options.is_empty() { String::new() } else { format!(":{options}") };
        line += &format!(" -o rtmp://127.0.0.1:0/{app}:gpac:rtmp_listen=1:name={app}{option}");
    }
    let program = Program::start(&words(&line));
    for (app, options, served, refused) in rows {
        let of = format!("/{app}");
        assert!(player(&program, &of, refused).await.is_err(), "{options}");
        let _player = player(&program, &of, served).await.unwrap_or_else(|error| panic!("{options}: {error}"));
        // `name=`
        let joined = |event: &Event| matches!(event, Event::PlayerJoined { output, .. } if output == app).then_some(());
        program.event("the player under the output's name", joined).await;
    }
}

#[tokio::test]
async fn what_players_get_and_when() {
    let line = format!(
        "{INPUT} -o rtmp://127.0.0.1:0/plain:gpac:rtmp_listen=1 \
         -o rtmp://127.0.0.1:0/key:gpac:rtmp_listen=1:start=key:chunk_size=1000 \
         -o rtmp://127.0.0.1:0/audio:gpac:rtmp_listen=1:tracks=audio \
         -o rtmp://127.0.0.1:0/delayed:gpac:rtmp_listen=1:delay=900ms \
         -o rtmp://127.0.0.1:0/gathered:gpac:rtmp_listen=1:latency=400ms"
    );
    let program = Program::start(&words(&line));
    let input = program.port("/in").await;
    let mut feeder = Feeder::start(&format!("rtmp://127.0.0.1:{input}/in/x"), made_up(5000, 20, 1500)).await;
    // Headers and half a group: the players come in its middle.
    feeder.send(3 + 2 * 10).await;
    let mut players = Vec::new();
    for app in ["plain", "key", "audio", "delayed", "gathered"] {
        players.push(player(&program, &format!("/{app}"), &format!("{app}/x")).await.unwrap());
    }
    let [plain, key, audio, delayed, gathered] = players.as_slice() else { panic!() };
    // start=gop: without anything further from the source.
    plain.wait_for_media(10).await;
    feeder
        .send_until(async {
            for player in &players {
                player.wait_for_media(120).await;
            }
        })
        .await;
    let frames: Vec<_> = feeder.sent.iter().map(|(tag, _)| tag).filter(|tag| tag.kind == 9 && tag.is_frame()).collect();
    assert_eq!(first_frame(&plain.tags()).unwrap().body, frames[0].body);
    let begins = first_frame(&key.tags()).unwrap().body.clone();
    let place = frames.iter().position(|tag| tag.body == begins).unwrap();
    assert!(place > 0 && place % 20 == 0, "{place}");
    assert_eq!(plain.received.look(|received| received.chunk_size), 4096);
    assert_eq!(key.received.look(|received| received.chunk_size), 1000);
    assert!(audio.tags().iter().all(|tag| tag.kind != 9), "no picture");
    let waits = |player: &Player| -> Vec<Duration> {
        player.received.look(|received| {
            let frames = received.tags().into_iter().zip(&received.arrivals).filter(|(tag, _)| tag.is_frame());
            frames.map(|(tag, arrival)| arrival.at.duration_since(feeder.sent_at(&tag).unwrap())).collect()
        })
    };
    assert!(waits(delayed).iter().all(|wait| *wait >= Duration::from_millis(900)));
    assert!(waits(plain).iter().any(|wait| *wait < Duration::from_millis(900)));
    let pieces = |player: &Player| player.received.look(|r| r.media_messages as f64 / r.reads as f64);
    assert!(pieces(gathered) > 3.0, "{} messages a read", pieces(gathered));
    assert!(pieces(gathered) > pieces(plain), "{} {}", pieces(gathered), pieces(plain));
}

#[tokio::test]
async fn a_player_that_stops_reading_is_skipped_for_after_max_lag() {
    let line = format!(
        "{INPUT} -o rtmp://127.0.0.1:0/short:gpac:rtmp_listen=1:name=short:max_lag=300ms \
         -o rtmp://127.0.0.1:0/long:gpac:rtmp_listen=1:name=long:max_lag=60s"
    );
    let program = Program::start(&words(&line));
    let input = program.port("/in").await;
    let mut feeder = Feeder::start(&format!("rtmp://127.0.0.1:{input}/in/x"), made_up(5000, 10, 60_000)).await;
    let short = player(&program, "/short", "short/x").await.unwrap();
    let long = player(&program, "/long", "long/x").await.unwrap();
    let skipped = |name: &'static str| {
        move |event: &Event| match event {
            Event::Skipped { output, peer: Some(_), .. } if output == name => Some(()),
            _ => None,
        }
    };
    let stop = async {
        short.wait_for_media(4).await;
        long.wait_for_media(4).await;
        short.pause(true);
        long.pause(true);
        // The kernel's buffers are full, and both are late by more than the one may be.
        program.lag("short", 400).await;
        program.lag("long", 1500).await;
        short.pause(false);
        long.pause(false);
        program.event("a skip", skipped("short")).await;
        let now = short.received.look(|received| received.media_messages);
        short.wait_for_media(now + 20).await;
    };
    feeder.send_until(stop).await;
    let fed: Vec<_> = feeder.sent.iter().map(|(tag, _)| tag.clone()).collect();
    assert!(holes_end_at_key_frames(&fed, &short.tags()).unwrap() > 0);
    assert_eq!(holes_end_at_key_frames(&fed, &long.tags()).unwrap(), 0);
    assert!(program.events.look(|events| events.iter().find_map(skipped("long")).is_none()));
}

#[tokio::test]
async fn how_long_players_stay_without_media() {
    let line = format!(
        "{INPUT} -o rtmp://127.0.0.1:0/short:gpac:rtmp_listen=1:grace=300ms -o rtmp://127.0.0.1:0/long:gpac:rtmp_listen=1"
    );
    let program = Program::start(&words(&line));
    let input = format!("rtmp://127.0.0.1:{}/in/x", program.port("/in").await);
    for _ in 0..2 {
        let mut feeder = Feeder::start(&input, made_up(5000, 10, 300)).await;
        let short = player(&program, "/short", "short/x").await.unwrap();
        let long = player(&program, "/long", "long/x").await.unwrap();
        feeder
            .send_until(async {
                short.wait_for_media(10).await;
                long.wait_for_media(10).await;
            })
            .await;
        feeder.vanish();
        let told =
            short.received.wait_for("the end", |received| received.end.is_some().then(|| received.statuses.clone()));
        assert!(told.await.iter().any(|code| code == "NetStream.Play.UnpublishNotify"));
        assert_eq!(long.received.look(|received| received.end.clone()), None);
        // The next source finds the output as it was; the publisher before it must be known to be gone.
        program.event("the end of the source", |event| matches!(event, Event::InputEnded { .. }).then_some(())).await;
        program.events.update(Vec::clear_ends);
    }
}

/// Forgets the ends of inputs, to wait for the next.
trait ClearEnds {
    fn clear_ends(&mut self);
}

impl ClearEnds for Vec<Event> {
    fn clear_ends(&mut self) {
        self.retain(|event| !matches!(event, Event::InputEnded { .. }));
    }
}

#[tokio::test]
async fn whom_a_listening_input_takes() {
    let rows = [
        ("plain", "", "plain/any", "other/any"),
        // As FFmpeg reads it: beside an app that is given, the path is the name.
        ("app", "rtmp_app=other", "other/app", "app/any"),
        ("path", "rtmp_playpath=name", "path/name", "path/any"),
        ("key", "key=secret", "key/secret", "key/any"),
        ("guarded", "publish_key=pass", "guarded/any?key=pass", "guarded/any"),
    ];
    let mut line = String::new();
    for (app, options, ..) in rows {
        let option = if options.is_empty() { String::new() } else { format!(":{options}") };
        line += &format!(" -i rtmp://127.0.0.1:0/{app}:gpac:rtmp_listen=1:name={app}{option} -o null");
    }
    let program = Program::start(&words(&line));
    for (app, options, served, refused) in rows {
        let port = program.port(&format!("/{app}")).await;
        let url = |path: &str| format!("rtmp://127.0.0.1:{port}/{path}");
        assert!(Publisher::connect(&url(refused)).await.is_err(), "{options}");
        let _publisher = Publisher::connect(&url(served)).await.unwrap_or_else(|error| panic!("{options}: {error}"));
        let started = |event: &Event| matches!(event, Event::InputStarted { input, .. } if input == app).then_some(());
        program.event("the publisher under the input's name", started).await;
    }
}

#[tokio::test]
async fn how_long_the_first_peer_is_waited_for() {
    let failed = |name: &'static str| {
        move |event: &Event| match event {
            Event::Failure { who, reason } if who == name => Some(reason.clone()),
            _ => None,
        }
    };
    let input = Program::start(&words("-i rtmp://127.0.0.1:0/in:gpac:rtmp_listen=1:name=x:timeout=200ms -o null"));
    let reason = input.event("the input's failure", failed("x")).await;
    assert_eq!(reason.reason, Reason::Timeout, "{reason}");
    assert_eq!(input.code().await, 1);
    let line = format!("{INPUT} -o rtmp://127.0.0.1:0/live:gpac:rtmp_listen=1:name=x:timeout=200ms");
    let output = Program::start(&words(&line));
    let reason = output.event("the output's failure", failed("x")).await;
    assert_eq!(reason.reason, Reason::Timeout, "{reason}");
    assert_eq!(output.code().await, 1);
}
