//! Hooks decide before a peer is told anything, give outputs, and are told of ends; they hold nobody else up.

use std::collections::VecDeque;
use std::time::Duration;

use outflow::config::{Config, Hook, HookForm, Hooks};
use outflow::secret::Secret;
use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::player::Player;
use outflow_testkit::publisher::Publisher;
use outflow_testkit::wait::{Watched, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::rig::{Rig, config};

/// A server that gives these answers to the paths of requests, and keeps what it was asked.
struct Outside {
    url: String,
    asked: Watched<VecDeque<String>>,
}

impl Outside {
    async fn start(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Watched::new(VecDeque::new());
        let (kept, answer) = (asked.clone(), std::sync::Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                let (kept, answer) = (kept.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut text = String::new();
                    let mut buffer = [0; 4096];
                    while !is_whole(&text) {
                        let Ok(read @ 1..) = tcp.read(&mut buffer).await else { return };
                        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
                    }
                    kept.update(|kept| kept.push_back(text.clone()));
                    match answer(&text) {
                        Some(body) => {
                            let head = format!(
                                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                                body.len()
                            );
                            let _ = tcp.write_all((head + &body).as_bytes()).await;
                        }
                        None => std::future::pending().await,
                    }
                });
            }
        });
        Self { url, asked }
    }

    fn hook(&self, path: &str, form: HookForm) -> Option<Hook> {
        Some(Hook {
            url: Secret::new(format!("{}{path}?token=h00k-t0ken", self.url)),
            form,
            timeout: Duration::from_millis(500),
            retries: 0,
            allow_on_failure: false,
        })
    }
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}

#[tokio::test]
async fn a_hook_decides_and_is_told_of_the_end() {
    let outside = Outside::start(|text| {
        Some(if text.contains("live/bad") || text.contains("\"bad\"") { "1" } else { "0" }.into())
    })
    .await;
    let hooks = Hooks {
        on_publish: outside.hook("/publish", HookForm::Srs),
        on_play: outside.hook("/play", HookForm::Srs),
        on_done: outside.hook("/done", HookForm::Srs),
        ..Hooks::default()
    };
    let rig = Rig::start(Config { hooks, ..config() });
    assert!(Publisher::connect(&rig.url("live/bad")).await.is_err());
    let show = rig.publish("live/good?pass=w0rd").await;
    until("the show", || rig.relay.stream("live/good").is_some_and(|stream| stream.live)).await;
    let player = Player::connect(&rig.url("live/good")).await.unwrap();
    player.received.wait_for("media", |received| (received.media_messages > 5).then_some(())).await;
    drop(player);
    let told =
        |what: &'static str| move |asked: &VecDeque<String>| asked.iter().any(|text| text.contains(what)).then_some(());
    outside.asked.wait_for("on_stop", told("on_stop")).await;
    show.finish().await;
    outside.asked.wait_for("on_unpublish", told("on_unpublish")).await;
    let asked = outside.asked.look(|asked| asked.iter().cloned().collect::<String>());
    assert!(asked.contains("pass=w0rd") && asked.contains("\"app\":\"live\""), "{asked}");
    assert_eq!(asked.matches("on_unpublish").count(), 1, "the refused one never was there: {asked}");
    let said = rig.said();
    assert!(!said.contains("h00k-t0ken") && !said.contains("w0rd"), "{said}");
}

#[tokio::test]
async fn a_hook_that_never_answers_holds_up_nobody_else() {
    let outside = Outside::start(|text| if text.contains("slow") { None } else { Some(r#"{"code":0}"#.into()) }).await;
    let hooks = Hooks { on_publish: outside.hook("/x", HookForm::Srs), ..Hooks::default() };
    let rig = Rig::start(Config { hooks, ..config() });
    let _show = rig.publish("live/good").await;
    until("the show", || rig.relay.stream("live/good").is_some_and(|stream| stream.live)).await;
    let player = Player::connect(&rig.url("live/good")).await.unwrap();
    let slow = tokio::spawn({
        let url = rig.url("live/slow");
        async move { Publisher::connect(&url).await.map(drop) }
    });
    let so_far = player.received.look(|received| received.media_messages);
    player.received.wait_for("media meanwhile", |all| (all.media_messages > so_far + 20).then_some(())).await;
    assert!(slow.await.unwrap().is_err(), "no answer is a no");
    assert!(rig.relay.stream("live/slow").is_none(), "nothing was made for it");
}

#[tokio::test]
async fn a_hook_gives_outputs_and_takes_them_back() {
    let server = Ingest::start(Behaviour::Good).await;
    let (first, second, third) = (server.url("live/first"), server.url("live/second"), server.url("live/third"));
    let answers = Watched::new(VecDeque::from([
        format!(r#"{{"code":0,"data":{{"urls":["{first}","{second}"]}}}}"#),
        format!(r#"{{"code":0,"data":{{"urls":["{second}","{third}"]}}}}"#),
        r#"{"code":0,"data":{"urls":["/etc/passwd"]}}"#.to_owned(),
        format!(r#"{{"code":0,"data":{{"urls":["{third}"]}}}}"#),
    ]));
    let outside = Outside::start(move |_| answers.update(VecDeque::pop_front)).await;
    let hooks = Hooks { on_forward: outside.hook("/forward", HookForm::Srs), ..Hooks::default() };
    let rig = Rig::start(Config { hooks, ..config() });
    let live = |url: &str| {
        let last = url.rsplit('/').next().unwrap().to_owned();
        let name = outflow_testkit::wire::text(last);
        server.state.look(|state| {
            let to = |session: &&outflow_testkit::ingest::Session| {
                session.call("publish").is_some_and(|call| call[3] == name)
            };
            state.sessions.iter().filter(to).any(|session| !session.unpublished && session.media_messages > 0)
        })
    };
    let show = rig.publish("live/show").await;
    until("the first two", || live(&first) && live(&second)).await;
    assert!(rig.relay.outputs().iter().all(|output| output.origin == "hook"));
    assert!(rig.relay.remove_output("forward-1@live/show").is_err(), "the hook decides");
    // Its encoder is cut off and returns: the one that is still wanted is not touched.
    show.cut();
    until("the publisher to be gone", || rig.relay.publishers().is_empty()).await;
    let again = rig.publish("live/show").await;
    until("the others", || !live(&first) && live(&second) && live(&third)).await;
    assert_eq!(server.state.look(|state| state.connections()), 3, "the second one stayed connected");
    again.finish().await;
    // An answer that can't be used changes nothing, is told, and is asked for again.
    let _third = rig.publish("live/show").await;
    until("the warning", || rig.said().contains("gave no outputs")).await;
    until("the last answer", || !live(&second) && live(&third) && rig.relay.outputs().len() == 1).await;
}

#[tokio::test]
async fn outputs_of_a_stream_that_has_ended_are_in_nobodys_way() {
    let server = Ingest::start(Behaviour::Good).await;
    let answer = format!(r#"{{"code":0,"data":{{"urls":["{}"]}}}}"#, server.url("live/k"));
    let outside = Outside::start(move |_| Some(answer.clone())).await;
    let hooks = Hooks { on_forward: outside.hook("/forward", HookForm::Srs), ..Hooks::default() };
    let rig = Rig::start(Config { hooks, ..config() });
    let first = rig.publish("live/first").await;
    rig.until_state("forward-1@live/first", "live").await;
    first.finish().await;
    let _second = rig.publish("live/second").await;
    rig.until_state("forward-1@live/second", "live").await;
    assert!(rig.relay.output("forward-1@live/first").is_none());
}
