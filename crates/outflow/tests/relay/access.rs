//! Who may publish and play: keys, tokens, addresses, takeover.

use outflow::config::{Conflict, Missing, Network};
use outflow::secret::Secret;
use outflow_testkit::media::made_up;
use outflow_testkit::player::Player;
use outflow_testkit::publisher::Publisher;
use outflow_testkit::wait::until;

use crate::rig::{Rig, Show, config, rule};

#[tokio::test]
async fn without_rules_any_name_is_relayed() {
    let rig = Rig::start(config());
    assert!(Player::connect(&rig.url("live/show")).await.is_err(), "nobody publishes yet");
    let _show = rig.publish("live/show").await;
    until("the stream to be live", || rig.relay.stream("live/show").is_some_and(|stream| stream.live)).await;
    let player = Player::connect(&rig.url("live/show")).await.unwrap();
    player.received.wait_for("media", |received| (received.media_messages > 50).then_some(())).await;
    let tags = player.tags();
    let first = tags.iter().find(|tag| tag.is_frame()).unwrap();
    assert!(first.is_key_frame() || first.kind == 8, "{first:?}");
    assert_eq!(rig.relay.stream("live/show").unwrap().players, 1);
    assert!(Publisher::connect(&rig.url("live/../x")).await.is_err(), "no name");
}

#[tokio::test]
async fn keys_let_in_and_are_never_names() {
    let mut show = rule("live/show");
    show.publish_keys = vec![Secret::new("old-k3y"), Secret::new("new-k3y")];
    show.play_tokens = vec![Secret::new("t0ken-1")];
    let mut any = rule("live/*");
    any.publish_keys = vec![Secret::new("any-k3y")];
    let rig = Rig::start(outflow::config::Config { streams: vec![show, any], ..config() });
    for bad in ["live/show", "live/show?key=wrong-k3y", "live/wrong-k3y", "other/x?key=any-k3y", "live/x"] {
        assert!(Publisher::connect(&rig.url(bad)).await.is_err(), "{bad}");
    }
    for good in ["live/show?key=old-k3y", "live/new-k3y", "live/old-k3y?x=1"] {
        let show = rig.publish(good).await;
        until("the show", || rig.relay.stream("live/show").is_some_and(|stream| stream.live)).await;
        show.finish().await;
        until("the end", || rig.relay.publishers().is_empty()).await;
    }
    let _show = rig.publish("live/show?key=new-k3y").await;
    let _other = rig.publish("live/x?key=any-k3y").await;
    until("both", || rig.relay.streams().iter().filter(|stream| stream.live).count() == 2).await;
    for bad in ["live/show", "live/show?token=any-k3y", "live/show?token=new-k3y"] {
        assert!(Player::connect(&rig.url(bad)).await.is_err(), "a publish key is no play token: {bad}");
    }
    let player = Player::connect(&rig.url("live/show?token=t0ken-1")).await.unwrap();
    player.received.wait_for("media", |received| (received.media_messages > 5).then_some(())).await;
    let shown = format!("{:?} {:?} {:?}", rig.relay.streams(), rig.relay.publishers(), rig.relay.players());
    let said = rig.said() + &shown;
    for secret in ["old-k3y", "new-k3y", "any-k3y", "wrong-k3y", "t0ken-1"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
    assert!(said.contains("was refused"), "{said}");
}

#[tokio::test]
async fn addresses_count() {
    let mut here = rule("here/*");
    here.publish_from = vec![Network { ip: [127, 0, 0, 0].into(), bits: 8 }];
    let mut elsewhere = rule("elsewhere/*");
    elsewhere.publish_from = vec![Network { ip: [10, 0, 0, 0].into(), bits: 8 }];
    let mut silent = rule("silent/*");
    silent.play_from = vec![Network { ip: [10, 0, 0, 0].into(), bits: 8 }];
    let rig = Rig::start(outflow::config::Config { streams: vec![here, elsewhere, silent], ..config() });
    let _here = rig.publish("here/a").await;
    let _silent = rig.publish("silent/a").await;
    assert!(Publisher::connect(&rig.url("elsewhere/a")).await.is_err());
    until("the stream", || rig.relay.stream("silent/a").is_some_and(|stream| stream.live)).await;
    assert!(Player::connect(&rig.url("silent/a")).await.is_err());
}

#[tokio::test]
async fn a_second_publisher_takes_over_from_a_silent_one_only() {
    let (taken, mut kept) = (rule("taken/*"), rule("kept/*"));
    kept.conflict = Conflict::Refuse;
    let rig = Rig::start(outflow::config::Config { streams: vec![taken, kept], ..config() });
    let first = rig.publish("kept/a").await;
    assert!(Publisher::connect(&rig.url("kept/a")).await.is_err());
    assert!(!first.is_over());
    let first = rig.publish("taken/a").await;
    until("the stream", || rig.relay.stream("taken/a").is_some_and(|stream| stream.live)).await;
    let player = Player::connect(&rig.url("taken/a")).await.unwrap();
    assert!(Publisher::connect(&rig.url("taken/a")).await.is_err(), "who sends is not thrown out");
    assert!(!first.is_over());
    let publisher = || rig.relay.stream("taken/a").and_then(|stream| stream.publisher).map(|now| now.id);
    let before = publisher();
    first.freeze(true);
    let since = std::time::Instant::now();
    let second = loop {
        // As encoders do: again and again.
        match Publisher::connect(&rig.url("taken/a")).await {
            Ok(publisher) => break publisher,
            Err(_) => assert!(since.elapsed() < std::time::Duration::from_secs(30), "it is never let in"),
        }
    };
    let _second = crate::rig::Show::run(second, outflow_testkit::media::made_up(20_000, 25, 1000));
    assert_ne!(publisher(), before);
    // What the first one still has to say comes too late.
    first.freeze(false);
    // The player goes on, in one piece.
    let so_far = player.received.look(|received| received.media_messages);
    player.received.wait_for("media of the second", |all| (all.media_messages > so_far + 100).then_some(())).await;
    outflow_testkit::compare::monotonic(&player.tags()).unwrap();
    assert!(player.received.look(|received| received.end.is_none()));
}

#[tokio::test]
async fn players_of_an_absent_stream_wait_where_it_is_asked_for() {
    let mut waits = rule("waits/*");
    waits.missing = Missing::Wait;
    let rig = Rig::start(outflow::config::Config { streams: vec![waits], ..config() });
    let player = Player::connect(&rig.url("waits/a")).await.unwrap();
    let _show = rig.publish("waits/a").await;
    player.received.wait_for("media", |received| (received.media_messages > 5).then_some(())).await;
    let id = rig.relay.players()[0].id;
    rig.relay.kick_player(id).unwrap();
    player.received.wait_for("its end", |received| received.end.clone()).await;
    until("nobody to play", || rig.relay.players().is_empty()).await;
    assert!(rig.relay.kick_player(id).is_err());
    let publisher = rig.relay.publishers()[0].id;
    rig.relay.kick_publisher(publisher).unwrap();
    until("nobody to publish", || rig.relay.publishers().is_empty()).await;
}

#[tokio::test]
async fn whoever_comes_before_the_first_frame_waits_for_it() {
    let rig = Rig::start(config());
    let publisher = Publisher::connect(&rig.url("live/show")).await.unwrap();
    let player = Player::connect(&rig.url("live/show")).await.expect("somebody publishes");
    let _show = Show::run(publisher, made_up(20_000, 25, 1000));
    player.received.wait_for("media", |received| (received.media_messages > 5).then_some(())).await;
}

#[tokio::test]
async fn limits_hold() {
    let mut config = config();
    config.limits.peers.connections_per_address = 2;
    config.limits.streams = 1;
    let rig = Rig::start(config);
    let show = rig.publish("live/a").await;
    assert!(Publisher::connect(&rig.url("live/b")).await.is_err(), "one stream");
    until("the refused one to be gone", || rig.relay.crowd().count() == 1).await;
    until("the stream", || rig.relay.stream("live/a").is_some_and(|stream| stream.live)).await;
    let _player = Player::connect(&rig.url("live/a")).await.unwrap();
    assert!(Player::connect(&rig.url("live/a")).await.is_err(), "two connections");
    show.finish().await;
    until("room", || rig.relay.crowd().count() < 2).await;
}
