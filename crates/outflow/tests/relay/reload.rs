//! Another configuration put in force while a show runs.

use outflow::secret::Secret;
use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::publisher::Publisher;
use outflow_testkit::wait::until;

use crate::rig::{Rig, config, output_rule, rule};

#[tokio::test]
async fn a_thousand_reloads_leave_what_did_not_change_alone() {
    let server = Ingest::start(Behaviour::Good).await;
    let mut with = config();
    with.outputs = vec![
        output_rule("stays", "live/*", &server.url("live/stays-${name}")),
        output_rule("comes", "live/show", &server.url("live/comes")),
    ];
    let mut without = with.clone();
    without.outputs.truncate(1);
    let rig = Rig::start(with.clone());
    let _show = rig.publish("live/show").await;
    let stays = rig.until_state("stays@live/show", "live").await;
    rig.until_state("comes", "live").await;
    for round in 0..1000 {
        let applied = rig.relay.apply(if round % 2 == 0 { without.clone() } else { with.clone() }).unwrap();
        assert_eq!(applied.unchanged, 1, "{applied:?}");
        assert_eq!((applied.added.len(), applied.removed.len()), if round % 2 == 0 { (0, 1) } else { (1, 0) });
        if round % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let now = rig.until_state("stays@live/show", "live").await;
    rig.until_state("comes", "live").await;
    assert_eq!((now.attempt, now.since), (1, stays.since), "it was not touched");
    let stayed = server.state.look(|state| {
        let of = |session: &&outflow_testkit::ingest::Session| {
            session.call("publish").is_some_and(|call| call[3] == outflow_testkit::wire::text("stays-show"))
        };
        state.sessions.iter().filter(of).count()
    });
    assert_eq!(stayed, 1, "one connection");
}

#[tokio::test]
async fn with_a_mistake_nothing_changes() {
    let server = Ingest::start(Behaviour::Good).await;
    let mut good = config();
    good.outputs = vec![output_rule("one", "live/show", &server.url("live/one"))];
    let rig = Rig::start(good.clone());
    let _show = rig.publish("live/show").await;
    rig.until_state("one", "live").await;
    let mut twin = good.clone();
    twin.outputs.push(output_rule("two", "live/show", &server.url("live/one")));
    let mut own = good.clone();
    own.outputs = vec![output_rule("own", "live/show", &rig.url("live/show"))];
    let mut wrong = good.clone();
    wrong.outputs = vec![output_rule("wrong", "live/show", "rtmp://")];
    for (bad, said) in [(twin, "same URL and key"), (own, "its own stream"), (wrong, "output wrong")] {
        let mistakes = rig.relay.apply(bad).unwrap_err().join("\n");
        assert!(mistakes.contains(said), "{mistakes}");
        assert_eq!(rig.relay.outputs().len(), 1);
        assert_eq!(rig.relay.output("one").unwrap().attempt, 1);
    }
}

#[tokio::test]
async fn a_port_that_others_reach_is_never_opened_by_a_reload() {
    let mut closed = rule("live/*");
    closed.publish_keys = vec![Secret::new("k3y-1")];
    let with = |streams: Vec<outflow::config::StreamRule>| outflow::config::Config { streams, ..config() };
    let rig = Rig::start(with(vec![closed.clone()]));
    // As if it had been bound so: the address stays until a restart, whatever the new file says of `listen`.
    rig.relay.listens_on(([0, 0, 0, 0], 1935).into(), false);
    let open = rig.relay.apply(with(vec![rule("live/*")])).unwrap_err().join("\n");
    assert!(open.contains("could publish") && open.contains("publish_key"), "{open}");
    assert!(rig.relay.apply(with(vec![])).unwrap_err().join("").contains("[[stream]]"));
    assert!(Publisher::connect(&rig.url("live/x")).await.is_err(), "the old rules are in force");
    let mut aloud = rule("live/*");
    aloud.publish_open = true;
    rig.relay.apply(with(vec![aloud])).unwrap();
    Publisher::connect(&rig.url("live/x")).await.unwrap();
}

#[tokio::test]
async fn keys_rotate_without_a_restart() {
    let with = |keys: &[&str]| {
        let mut show = rule("live/show");
        show.publish_keys = keys.iter().map(|key| Secret::new(*key)).collect();
        outflow::config::Config { streams: vec![show], ..config() }
    };
    let rig = Rig::start(with(&["first-key"]));
    let show = rig.publish("live/show?key=first-key").await;
    rig.relay.apply(with(&["first-key", "second-key"])).unwrap();
    rig.relay.apply(with(&["second-key"])).unwrap();
    assert!(!show.is_over(), "who is in stays in");
    assert!(Publisher::connect(&rig.url("live/first-key")).await.is_err());
    show.finish().await;
    until("the first to be gone", || rig.relay.publishers().is_empty()).await;
    let _second = rig.publish("live/second-key").await;
}

#[tokio::test]
async fn changed_settings_start_that_output_anew() {
    let server = Ingest::start(Behaviour::Good).await;
    let mut first = config();
    first.outputs = vec![output_rule("one", "live/show", &server.url("live/one"))];
    let rig = Rig::start(first.clone());
    let _show = rig.publish("live/show").await;
    rig.until_state("one", "live").await;
    let mut second = first;
    second.outputs[0].key = Some(Secret::new("rotated"));
    let applied = rig.relay.apply(second).unwrap();
    assert_eq!(applied.changed, ["one"]);
    let with_key = |session: &outflow_testkit::ingest::Session| {
        session.call("publish").is_some_and(|call| call[3] == outflow_testkit::wire::text("rotated"))
    };
    server.state.wait_for("the new key", |state| state.sessions.iter().any(with_key).then_some(())).await;
    rig.until_state("one", "live").await;
    assert!(server.state.look(|state| state.open) == 1, "one publication at a time");
}

#[tokio::test]
async fn the_end_is_told_to_everybody_and_bounded() {
    let server = Ingest::start(Behaviour::Good).await;
    let mut config = config();
    config.outputs = vec![output_rule("one", "live/show", &server.url("live/one"))];
    let rig = Rig::start(config);
    let _show = rig.publish("live/show").await;
    rig.until_state("one", "live").await;
    let player = outflow_testkit::player::Player::connect(&rig.url("live/show")).await.unwrap();
    player.received.wait_for("media", |received| (received.media_messages > 5).then_some(())).await;
    rig.relay.drain().await;
    assert!(!rig.relay.is_ready());
    player.received.wait_for("its end", |received| received.end.clone()).await;
    assert_eq!(rig.relay.output("one").unwrap().state, "stopped");
    assert!(server.session(0).call("FCUnpublish").is_some());
    assert!(Publisher::connect(&rig.url("live/other")).await.is_err());
}
