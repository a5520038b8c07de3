//! Alerts of a real show that has what shows have: an encoder with the wrong settings, and a destination that is not there.

use std::net::SocketAddr;

use outflow_testkit::free_port;
use outflow_testkit::http::{HttpServer, Reply};
use outflow_testkit::ingest::{self, Behaviour, Ingest};
use outflow_testkit::peers::{self, Found, Peer};
use outflow_testkit::proc::{Child, Command};
use serde_json::{Value, json};

use crate::rig::{OUTFLOW, Serve, Setup, Show, output};
use crate::secrets;

/// Times that are short enough for a test.
const QUICK: &str = "[alerts]\nkey_frame_interval = \"2s\"\nno_audio = \"2s\"\nnot_sending = \"2s\"\nhold = \"1s\"\n\
                     clear = \"1s\"\n";

/// A picture with one key frame at its begin, and no sound.
fn publish(ffmpeg: &Found, url: &str) -> Child {
    Command::new(&ffmpeg.path)
        .line("-nostdin -v warning -re -f lavfi -i testsrc2=size=160x90:rate=25 -t 120 -an")
        .line("-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g 10000 -keyint_min 10000 -f flv")
        .arg(url)
        .start()
}

/// Waits until an alert was raised or cleared; gives that event.
async fn until(serve: &Serve, rule: &str, who: &str, raised: bool) -> Value {
    let what = format!("the alert {rule} of {who} (raised: {raised})");
    let find = |line: &String| {
        let event: Value = serde_json::from_str(line).ok()?;
        let is_it = event["event"] == "alert"
            && event["rule"] == rule
            && event["raised"] == raised
            && (event["output"] == who || (event["output"].is_null() && event["stream"] == who));
        is_it.then_some(event)
    };
    serve.program.output.wait_for(&what, |said| said.stdout.iter().find_map(find)).await
}

/// Rule and name of every alert that the API shows.
async fn shown(serve: &Serve) -> Vec<(String, String)> {
    let alerts = serve.get("/v1/alerts").await.json();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let of = |alert: &Value| {
        let who = text(&alert["output"]).or(text(&alert["stream"])).unwrap();
        (text(&alert["rule"]).unwrap(), who)
    };
    alerts.as_array().unwrap().iter().map(of).collect()
}

/// What the hook was told of a rule.
fn told(hook: &HttpServer, rule: &str) -> Vec<Value> {
    let bodies = hook.requests.look(|requests| requests.iter().map(|request| request.body.clone()).collect::<Vec<_>>());
    let bodies = bodies.iter().map(|body| serde_json::from_str::<Value>(body).unwrap());
    bodies.filter(|body| body["rule"] == rule).collect()
}

#[tokio::test]
async fn what_is_wrong_with_a_show_is_told_everywhere_and_taken_back() {
    let Some(ffmpeg) = peers::find(Peer::Ffmpeg) else { return };
    let hook = HttpServer::start(Reply::Status(200, "0".into())).await;
    let good = Ingest::start(Behaviour::Good).await;
    let absent: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let mut setup = Setup::new();
    setup.secret("OUT_KEY");
    let token = setup.secret("HOOK_TOKEN");
    // Its group of pictures is all that there is to begin with.
    let more = "start = \"gop\"\nkey = { env = \"OUT_KEY\" }";
    let text = format!(
        "[[stream]]\nname = \"live/show\"\npublish_key = \"none\"\n[hooks]\non_alert = \"{}\"\n{QUICK}{}{}",
        hook.url(&format!("/alert?token={token}")),
        output("good", "live/show", &good.url("live"), &format!("{more}\nplatform = \"twitch\"")),
        output("absent", "live/show", &format!("rtmp://{absent}/live"), more),
    );
    setup.write(&text);
    let serve = setup.start().await;
    let events = serve.events_of_the_api().await;
    let mut encoder = publish(&ffmpeg, &setup.url("live/show"));
    good.wait_for_media(0, 50).await;

    for (rule, who, part) in [
        ("key_frame_interval", "live/show", "apart"),
        ("no_audio", "live/show", "no sound for"),
        ("not_sending", "absent", "connection refused"),
    ] {
        let event = until(&serve, rule, who, true).await;
        assert!(event["text"].as_str().unwrap().contains(part), "{event}");
        assert!(!event["mend"].as_str().unwrap().is_empty() && event["figure"].as_f64() >= event["limit"].as_f64());
    }
    let all = [("not_sending", "absent"), ("key_frame_interval", "live/show"), ("no_audio", "live/show")];
    let all: Vec<_> = all.iter().map(|(rule, who)| ((*rule).to_owned(), (*who).to_owned())).collect();
    let mut now = shown(&serve).await;
    assert_eq!(now.first(), all.first(), "what is critical is first");
    now.sort();
    let mut wanted = all.clone();
    wanted.sort();
    assert_eq!(now, wanted);
    let metrics = serve.get("/metrics").await.body;
    for line in [
        "outflow_alert_active{rule=\"no_audio\",stream=\"live/show\",output=\"\"} 1",
        "outflow_alert_active{rule=\"not_sending\",stream=\"live/show\",output=\"absent\"} 1",
        "outflow_alert_active{rule=\"not_sending\",stream=\"live/show\",output=\"good\"} 0",
        "outflow_output_session_limit_seconds{stream=\"live/show\",output=\"good\",protocol=\"rtmp\"} 172800",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    let session = serve.get("/v1/outputs/good").await.json()["session"].clone();
    assert_eq!((&session["platform"], &session["limit_s"]), (&json!("twitch"), &json!(172_800)));
    assert!(serve.get("/v1/outputs/absent").await.json()["session"].is_null());
    hook.requests.wait_for("three alerts", |requests| (requests.len() >= 3).then_some(())).await;
    for (rule, _) in &all {
        let told = told(&hook, rule);
        let [told] = told.as_slice() else { panic!("{rule}: {told:?}") };
        let about = (&told["action"], &told["app"], &told["stream"], &told["raised"]);
        assert_eq!(about, (&json!("on_alert"), &json!("live"), &json!("show"), &json!(true)));
    }

    // The destination comes.
    let back = ingest::Setup::new([Behaviour::Good]).at(absent).start().await;
    back.wait_for_media(0, 10).await;
    let cleared = until(&serve, "not_sending", "absent", false).await;
    assert_eq!(cleared["cleared"], "mended", "{cleared}");
    assert!(cleared["lasted_s"].as_f64().unwrap() > 2.0, "{cleared}");
    assert!(!shown(&serve).await.iter().any(|(_, who)| who == "absent"));
    // Another encoder, whose settings are right.
    encoder.interrupt().await;
    let _show = Show::publish(&setup.url("live/show")).await;
    for rule in ["key_frame_interval", "no_audio"] {
        until(&serve, rule, "live/show", false).await;
    }
    assert_eq!(shown(&serve).await, []);
    hook.requests.wait_for("six calls", |requests| (requests.len() >= 6).then_some(())).await;
    for (rule, _) in &all {
        let raised: Vec<Value> = told(&hook, rule).iter().map(|told| told["raised"].clone()).collect();
        assert_eq!(raised, [json!(true), json!(false)], "{rule}");
    }
    for request in hook.requests.look(Clone::clone) {
        secrets::none("the hook's body", &request.body, &setup.secrets);
    }
    serve.end().await;
    let events = events.await.unwrap();
    assert!(events.matches("event: alert\n").count() >= 6, "{events}");
    Peer::Ffmpeg.ran();
}

#[tokio::test]
async fn the_log_tells_people_what_is_wrong_and_what_to_do() {
    let absent: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let mut setup = Setup::new();
    setup.secret("OUT_KEY");
    let key = "key = { env = \"OUT_KEY\" }";
    let quick = QUICK.replace("not_sending = \"2s\"", "not_sending = \"1s\"");
    setup.write(&format!("{quick}{}", output("absent", "live/show", &format!("rtmp://{absent}/live"), key)));
    let words = format!("--config {} --rtmp 127.0.0.1:{} --http none", setup.path().display(), setup.rtmp);
    let command = Command::new(OUTFLOW).arg("serve").line(&words).env("OUT_KEY", &setup.secrets[0]);
    let mut program = command.secrets(&setup.secrets).start();
    program.wait_for_line("listening").await;
    let _show = Show::publish(&setup.url("live/show")).await;
    let line = program.wait_for_line("absent: alert not_sending: not sending for ").await;
    assert!(line.contains("warning") && line.contains("refused; mend what the reason names"), "{line}");
    let _back = ingest::Setup::new([Behaviour::Good]).at(absent).start().await;
    program.wait_for_line("absent: alert not_sending is cleared after ").await;
    assert_eq!(program.interrupt().await, 0, "{}", program.text());
    secrets::none_said(&program);
}
