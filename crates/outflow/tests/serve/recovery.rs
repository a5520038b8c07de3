//! Destinations, sources, the resolver and the hook server are killed and come back: everything recovers by itself.

use std::time::Duration;

use outflow_testkit::compare::monotonic;
use outflow_testkit::http::{HttpServer, Reply};
use outflow_testkit::ingest::{Behaviour, Ingest, Setup as Server};
use outflow_testkit::media::Clip;
use outflow_testkit::peers::{self, Peer};
use outflow_testkit::resolver::Hanging;
use outflow_testkit::wait::{DEADLINE, until};

use crate::rig::{OUTFLOW, Setup, Show, output};

const OPEN: &str = "[[stream]]\nname = \"live/*\"\npublish_key = \"none\"\n";

#[tokio::test]
async fn a_destination_that_is_killed_and_returns_is_live_again_and_the_others_notice_nothing() {
    let mut second = Setup::new();
    let key = second.secret("TO_KEY");
    second.write("[[stream]]\nname = \"live/far\"\npublish_key = { env = \"TO_KEY\" }\n");
    let steady = Ingest::start(Behaviour::Good).await;
    let mut server = Ingest::start(Behaviour::Good).await;
    let mut setup = Setup::new();
    setup.environment("TO_KEY", &key).secrets.push(key);
    setup.write(
        &(OPEN.to_owned()
            + &output("steady", "live/show", &steady.url("live/k"), "")
            + &output("server", "live/show", &server.url("live/k"), "")
            + &output("serve", "live/show", &second.url("live"), "key = { env = \"TO_KEY\" }")),
    );
    let mut far = second.start().await;
    let relay = setup.start().await;
    let show = Show::publish(&setup.url("live/show")).await;
    for round in 1..=2 {
        for name in ["steady", "server", "serve"] {
            relay.until_state(name, "live").await;
        }
        far.until_said("input_started", "live/far", 1).await;
        let address = server.address();
        drop(server);
        far.kill().await;
        for name in ["server", "serve"] {
            let failed = relay.until_state(name, "backoff").await;
            assert_ne!(failed["reason"]["text"], serde_json::Value::Null, "{failed}");
        }
        far = second.start().await;
        server = Server::new([Behaviour::Good]).at(address).start().await;
        server.wait_for_media(0, 50).await;
        assert!(relay.attempts("server") > round);
    }
    relay.until_state("serve", "live").await;
    far.until_said("input_started", "live/far", 1).await;
    let session = steady.session(0);
    assert_eq!(steady.state.look(|state| state.connections()), 1);
    outflow_testkit::compare::compare(&show.tags, &session.tags()).unwrap();
    relay.end().await;
    far.end().await;
}

#[tokio::test]
async fn sources_that_are_killed_and_return_go_on_in_the_same_connections() {
    let Some(ffmpeg) = peers::find(Peer::Ffmpeg) else { return };
    let clip = Clip::small(20).file().await;
    // One stream is published here, the other pulled from a second `serve`, to which it is published.
    let mut origin = Setup::new();
    let (origin_key, token) = (origin.secret("ORIGIN_KEY"), origin.secret("PLAY_TOKEN"));
    origin.write(
        "[[stream]]\nname = \"live/news\"\npublish_key = { env = \"ORIGIN_KEY\" }\nplay_token = { env = \"PLAY_TOKEN\" }\n",
    );
    let (published, pulled) = (Ingest::start(Behaviour::Good).await, Ingest::start(Behaviour::Good).await);
    let mut setup = Setup::new();
    let key = setup.secret("INGEST_KEY");
    setup.secrets.extend(origin.secrets.iter().cloned());
    setup.environment("PULL_URL", &origin.url(&format!("live/news?token={token}")));
    setup.write(
        &("[[stream]]\nname = \"live/show\"\npublish_key = { env = \"INGEST_KEY\" }\n\
           [[stream]]\nname = \"live/news\"\n\
           pull = { url = { env = \"PULL_URL\" }, retry = \"200ms\", retry_max = \"1s\" }\n"
            .to_owned()
            + &output("published", "live/show", &published.url("live/k"), "")
            + &output("pulled", "live/news", &pulled.url("live/k"), "")),
    );
    let relay = setup.start().await;
    let mut from = origin.start().await;
    let url = setup.url(&format!("live/show?key={key}"));
    let at_origin = origin.url(&format!("live/news?key={origin_key}"));
    let mut encoder = peers::ffmpeg_copy(&ffmpeg, &clip, &url);
    let mut news = Show::publish(&at_origin).await;
    published.wait_for_media(0, 50).await;
    pulled.wait_for_media(0, 50).await;
    for _ in 0..2 {
        encoder.kill().await;
        from.kill().await;
        relay.until_said("input_ended", "live/show", 1).await;
        relay.until_said("input_ended", "live/news", 1).await;
        drop(news);
        from = origin.start().await;
        news = Show::publish(&at_origin).await;
        encoder = peers::ffmpeg_copy(&ffmpeg, &clip, &url);
        for server in [&published, &pulled] {
            let before = server.session(0).media_messages;
            server.wait_for_media(0, before + 50).await;
        }
    }
    for (name, server) in [("published", &published), ("pulled", &pulled)] {
        assert_eq!(server.state.look(|state| state.connections()), 1, "{name}");
        assert_eq!(relay.attempts(name), 1);
        monotonic(&server.session(0).tags()).unwrap();
    }
    encoder.kill().await;
    relay.end().await;
    from.end().await;
}

#[tokio::test]
async fn a_resolver_that_hangs_and_returns_holds_up_only_who_needs_it() {
    let resolver = Hanging::start_with("timeout:1 attempts:2");
    if !resolver.hangs() {
        return;
    }
    let (steady, named) = (Ingest::start(Behaviour::Good).await, Ingest::start(Behaviour::Good).await);
    let setup = Setup::new();
    let url = format!("rtmp://ingest.example:{}/live/k", named.address().port());
    setup.write(
        &(OPEN.to_owned()
            + &output("steady", "live/show", &steady.url("live/k"), "")
            + &output("named", "live/show", &url, "timeout = \"3s\"")),
    );
    let relay = setup.start_as(resolver.command(OUTFLOW)).await;
    let show = Show::publish(&setup.url("live/show")).await;
    let failed = relay.until_state("named", "backoff").await;
    let code = failed["reason"]["code"].as_str().unwrap_or_default().to_owned();
    assert!(code == "resolve" || code == "timeout", "{failed}");
    assert!(resolver.was_asked());
    let answering = resolver.answer();
    named.wait_for_media(0, 50).await;
    // It is gone again: who is connected needs no name.
    drop(answering);
    steady.wait_for_media(0, 200).await;
    // The destination goes too; it is found by name again once the resolver answers.
    named.set_behaviours([Behaviour::Good]);
    named.close_all();
    relay.until_state("named", "backoff").await;
    let _answering = resolver.answer();
    named.wait_for_media(1, 50).await;
    outflow_testkit::compare::compare(&show.tags, &steady.session(0).tags()).unwrap();
    assert_eq!(steady.state.look(|state| state.connections()), 1);
    relay.end().await;
}

#[tokio::test]
async fn a_hook_server_that_is_killed_and_returns_is_asked_again() {
    let hook = HttpServer::start(Reply::Status(200, "0".into())).await;
    let server = Ingest::start(Behaviour::Good).await;
    let mut setup = Setup::new();
    let (token, publisher) = (setup.secret("HOOK_TOKEN"), setup.secret("PUBLISHER_TOKEN"));
    setup.environment("HOOK", &hook.url(&format!("/publish?token={token}")));
    setup.write(
        &(OPEN.to_owned()
            + "[hooks]\non_publish = { url = { env = \"HOOK\" }, timeout = \"1s\", retries = 0 }\n"
            + "on_done = { url = { env = \"HOOK\" }, timeout = \"1s\", retries = 0 }\n"
            + &output("out", "live/show", &server.url("live/k"), "")),
    );
    let relay = setup.start().await;
    let show = Show::publish(&setup.url(&format!("live/show?password={publisher}"))).await;
    server.wait_for_media(0, 50).await;
    let asked = hook.requests.look(|all| all[0].clone());
    assert!(asked.line.contains(&token) && asked.body.contains(&publisher), "the hook is told what it has to judge");
    let port = hook.port;
    drop(hook);
    // More than the breaker takes.
    for _ in 0..8 {
        assert!(Show::try_publish(&setup.url("live/other")).await.is_err(), "nobody vouches for it");
    }
    // The show does not need it.
    let before = server.session(0).media_messages;
    server.wait_for_media(0, before + 50).await;
    let hook = HttpServer::start_at(port, Reply::Status(200, "0".into())).await;
    let start = std::time::Instant::now();
    let _other = loop {
        if let Ok(other) = Show::try_publish(&setup.url("live/other")).await {
            break other;
        }
        assert!(start.elapsed() < DEADLINE, "the hook is back and nobody asks it: {}", relay.program.text());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    show.finish().await;
    until("the hook is told of the end", || {
        hook.requests.look(|all| all.iter().any(|request| request.body.contains("on_unpublish")))
    })
    .await;
    assert_eq!(server.state.look(|state| state.connections()), 1);
    relay.end().await;
}
