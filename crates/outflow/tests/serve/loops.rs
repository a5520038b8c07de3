//! The same destination twice, and outputs that lead back: found in the file, by the API, and at run time.

use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::proc::Command;
use serde_json::json;

use crate::rig::{OUTFLOW, Setup, Show, output};
use crate::secrets;

#[tokio::test]
async fn twins_and_ways_back_into_itself_are_found_in_the_file_and_by_the_api() {
    let server = Ingest::start(Behaviour::Good).await;
    let mut setup = Setup::new();
    let (key, out) = (setup.secret("KEY"), setup.secret("OUT"));
    setup.with_token();
    let streams =
        "[api]\ntoken = { env = \"API_TOKEN\" }\n[[stream]]\nname = \"live/*\"\npublish_key = { env = \"KEY\" }\n";
    let one = output("one", "live/show", &server.url("live"), "key = { env = \"OUT\" }");
    let twin = output("two", "live/show", &server.url("live"), "key = { env = \"OUT\" }");
    let own = output("own", "live/show", &setup.url("live/show"), "");
    for (more, said) in [(&twin, "`one`"), (&own, "leads back")] {
        setup.write(&format!("{streams}{one}{more}"));
        let mut check = setup.words(Command::new(OUTFLOW)).arg("--check").start();
        assert_eq!(check.wait_exit().await, 2, "{}", check.text());
        assert!(check.text().contains(said), "{}", check.text());
        secrets::none_said(&check);
    }
    setup.write(&format!("{streams}{one}"));
    let serve = setup.start().await;
    for new in [
        json!({ "stream": "live/show", "url": server.url("live"), "key": out, "name": "two" }),
        json!({ "stream": "live/show", "url": setup.url(&format!("live/show?key={key}")), "name": "own" }),
    ] {
        let answer = serve.ask("POST", "/v1/outputs", Some(&new)).await;
        assert_eq!(answer.status, 409, "{}", answer.body);
        secrets::none("the answer", &answer.body, &setup.secrets);
    }
    serve.end().await;
}

#[tokio::test]
async fn a_stream_that_comes_back_over_another_relay_is_refused_and_the_show_goes_on() {
    let server = Ingest::start(Behaviour::Good).await;
    let (mut setup, mut second) = (Setup::new(), Setup::new());
    let (key, there) = (setup.secret("KEY"), setup.secret("THERE"));
    second.environment("KEY", &key).environment("THERE", &there).secrets.extend([key.clone(), there]);
    let stream =
        |name: &str, key: &str| format!("[[stream]]\nname = \"{name}\"\npublish_key = {{ env = \"{key}\" }}\n");
    setup.write(
        &(stream("live/show", "KEY")
            + &output("out", "live/show", &server.url("live/k"), "")
            + &output("there", "live/show", &second.url("live"), "key = { env = \"THERE\" }")),
    );
    second.write(
        &(stream("live/far", "THERE") + &output("back", "live/far", &setup.url("live"), "key = { env = \"KEY\" }")),
    );
    let (relay, far) = (setup.start().await, second.start().await);
    let show = Show::publish(&setup.url(&format!("live/{key}"))).await;
    relay.until_state("there", "live").await;
    far.until_said("output", "back", 1).await;
    let refused = far.until_state("back", "backoff").await;
    assert_eq!(refused["reason"]["code"], "loop", "{refused}");
    let before = server.session(0).media_messages;
    server.wait_for_media(0, before + 50).await;
    // The publisher kept its place, and the outputs their connections.
    assert_eq!(relay.about("input_started", "live/show").len(), 1);
    assert_eq!((relay.attempts("out"), relay.attempts("there")), (1, 1));
    outflow_testkit::compare::compare(&show.tags, &server.session(0).tags()).unwrap();
    relay.end().await;
    far.end().await;
}
