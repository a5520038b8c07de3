//! Tests of hooks against a server that answers, and one that misbehaves in every way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use outflow_testkit::http::{HttpServer, Reply};
use outflow_testkit::wait::Watched;
use serde_json::{Value, json};

use super::*;
use crate::config::HookForm;
use crate::monitor::alerts::{Alert, Cleared, Rule};
use crate::net::dial::SystemResolver;

struct Rig {
    server: HttpServer,
    caller: Caller,
    events: Watched<Vec<String>>,
}

impl Rig {
    async fn new(reply: Reply) -> Self {
        Self::opening_for(reply, OPEN_FOR).await
    }

    async fn opening_for(reply: Reply, open_for: Duration) -> Self {
        let events = Watched::new(Vec::new());
        let told = events.clone();
        let sink: monitor::Sink = Arc::new(move |event| told.update(|told| told.push(format!("{event:?}"))));
        let caller = Caller::with(Arc::new(SystemResolver), None, sink, Handle::current(), open_for);
        Self { server: HttpServer::start(reply).await, caller, events }
    }

    fn hook(&self, form: HookForm) -> Hook {
        Hook {
            url: self.server.url("/on?token=s3cret").into(),
            form,
            // Generous: it only ends calls that the tests want to fail, which say so.
            timeout: Duration::from_secs(20),
            retries: 0,
            allow_on_failure: false,
        }
    }

    fn quick(&self, allow_on_failure: bool) -> Hook {
        Hook { timeout: Duration::from_millis(100), allow_on_failure, ..self.hook(HookForm::Srs) }
    }

    fn sent(&self) -> outflow_testkit::http::Request {
        self.server.requests.look(|requests| requests.last().unwrap().clone())
    }
}

fn asked(action: Action) -> Asked {
    Asked {
        action,
        client_id: "17".into(),
        ip: "::ffff:192.0.2.7".parse().unwrap(),
        app: "live".into(),
        stream: "cam 1".into(),
        query: "token=a%26b&x=1".into(),
        tc_url: "rtmp://relay.example/live?token=tc".into(),
        flash_ver: "FMLE/3.0".into(),
        swf_url: String::new(),
        page_url: "http://page.example/".into(),
    }
}

fn ok(body: &str) -> Reply {
    Reply::Status(200, body.into())
}

fn refusal(verdict: Verdict) -> String {
    match verdict {
        Verdict::Refuse { text } => text,
        Verdict::Allow => panic!("let in"),
    }
}

#[tokio::test]
async fn the_form_of_srs() {
    let rig = Rig::new(ok("0")).await;
    for (action, name) in [(Action::Publish, "on_publish"), (Action::Play, "on_play")] {
        assert_eq!(rig.caller.ask(&rig.hook(HookForm::Srs), &asked(action)).await, Verdict::Allow);
        let sent = rig.sent();
        assert!(sent.headers.to_lowercase().contains("content-type: application/json"), "{}", sent.headers);
        let body: Value = serde_json::from_str(&sent.body).unwrap();
        let mut wanted = json!({
            "server_id": body["server_id"],
            "action": name,
            "client_id": "17",
            "ip": "192.0.2.7",
            "vhost": "__defaultVhost__",
            "app": "live",
            "stream": "cam 1",
            "param": "?token=a%26b&x=1",
            "tcUrl": "rtmp://relay.example/live?token=tc",
            "stream_url": "/live/cam 1",
            "stream_id": "live/cam 1",
        });
        if action == Action::Play {
            wanted["pageUrl"] = json!("http://page.example/");
        }
        assert_eq!(body, wanted);
    }
}

fn alert(raised: bool) -> Change {
    let alert = Alert {
        rule: Rule::NotSending,
        stream: "live/cam 1".into(),
        output: Some("you&tube".into()),
        since: std::time::Instant::now(),
        figure: 15.25,
        limit: 15.0,
        text: "not sending for 15 s".into(),
        mend: "mend it".into(),
    };
    let lasted = Duration::from_secs(20);
    Change { alert, cleared: (!raised).then_some(Cleared { lasted, mended: true }) }
}

#[tokio::test]
async fn alerts_are_told_in_both_forms_and_in_their_order() {
    let rig = Rig::new(ok("0")).await;
    for raised in [true, false, true, false] {
        rig.caller.alert(&rig.hook(HookForm::Srs), "live", "cam 1", &alert(raised));
    }
    let told = rig.server.requests.wait_for("four calls", |all| (all.len() == 4).then(|| all.clone())).await;
    let told: Vec<Value> = told.iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect();
    let raised: Vec<bool> = told.iter().map(|told| told["raised"].as_bool().unwrap()).collect();
    assert_eq!(raised, [true, false, true, false]);
    let lasted = told[0]["lasted_s"].clone();
    assert!(lasted.as_f64().unwrap() < 10.0);
    let wanted = json!({
        "server_id": told[0]["server_id"],
        "action": "on_alert",
        "vhost": "__defaultVhost__",
        "app": "live",
        "stream": "cam 1",
        "stream_url": "/live/cam 1",
        "stream_id": "live/cam 1",
        "rule": "not_sending",
        "severity": "critical",
        "raised": true,
        "cleared": null,
        "output": "you&tube",
        "lasted_s": lasted,
        "figure": 15.25,
        "limit": 15.0,
        "unit": "s",
        "text": "not sending for 15 s",
        "mend": "mend it",
    });
    assert_eq!(told[0], wanted);
    assert_eq!((&told[1]["cleared"], &told[1]["lasted_s"]), (&json!("mended"), &json!(20.0)));
    rig.caller.alert(&rig.hook(HookForm::Nginx), "live", "cam 1", &alert(false));
    let body = rig.server.requests.wait_for("a fifth", |all| all.get(4).map(|request| request.body.clone())).await;
    for part in ["call=alert", "app=live", "name=cam%201", "rule=not_sending", "output=you%26tube", "raised=false"] {
        assert!(body.split('&').any(|field| field == part), "{part}: {body}");
    }
}

#[tokio::test]
async fn the_form_of_nginx() {
    let rig = Rig::new(Reply::Status(204, String::new())).await;
    let mut peer = asked(Action::Publish);
    // What tries to pass for our own fields, in all the ways that form parsers are generous.
    peer.query = "token=a%26b&name=evil&n%61me=evil&%20addr=evil&ADDR=evil&call[]=evil&flag&app%00=evil".into();
    assert_eq!(rig.caller.ask(&rig.hook(HookForm::Nginx), &peer).await, Verdict::Allow);
    assert_eq!(
        rig.sent().body,
        "app=live&flashver=FMLE%2F3.0&swfurl=&tcurl=rtmp%3A%2F%2Frelay.example%2Flive%3Ftoken%3Dtc\
         &pageurl=http%3A%2F%2Fpage.example%2F&addr=192.0.2.7&clientid=17&call=publish&name=cam%201&type=live\
         &token=a%26b&flag="
    );
    let calls = [(Action::Play, "play"), (Action::PublishDone, "publish_done"), (Action::PlayDone, "play_done")];
    for (action, call) in calls {
        rig.caller.ask(&rig.hook(HookForm::Nginx), &asked(action)).await;
        assert!(rig.sent().body.contains(&format!("&call={call}&")), "{}", rig.sent().body);
    }
}

#[tokio::test]
async fn what_allows_and_what_refuses() {
    let rig = Rig::new(ok("0")).await;
    let redirect = "the hook redirects (HTTP 302), which is not followed";
    let neither = "the hook's answer is neither 0 nor {\"code\": 0}";
    let url = rig.server.url("/elsewhere");
    for (form, reply, wanted) in [
        (HookForm::Srs, ok(" 0\n"), None),
        (HookForm::Srs, ok("{\"code\": 0, \"msg\": \"x\"}"), None),
        (HookForm::Srs, ok("{\"code\": 7}"), Some("refused by the hook (code 7)")),
        (HookForm::Srs, ok("1"), Some("refused by the hook (code 1)")),
        (HookForm::Srs, ok(""), Some(neither)),
        (HookForm::Srs, ok("<html>0</html>"), Some(neither)),
        (HookForm::Srs, ok("{\"code\": \"0\"}"), Some(neither)),
        (HookForm::Srs, ok("{\"code\": 0.0}"), Some(neither)),
        (HookForm::Srs, Reply::Status(201, "0".into()), Some("refused by the hook (HTTP 201)")),
        (HookForm::Srs, Reply::Status(403, "0".into()), Some("refused by the hook (HTTP 403)")),
        (HookForm::Srs, Reply::Redirect(302, url.clone()), Some(redirect)),
        (HookForm::Nginx, Reply::Status(299, "no".into()), None),
        (HookForm::Nginx, Reply::Status(403, String::new()), Some("refused by the hook (HTTP 403)")),
        (HookForm::Nginx, Reply::Redirect(302, url), Some(redirect)),
    ] {
        rig.server.reply(reply.clone());
        // A refusal is no failure: this setting must not matter.
        let hook = Hook { allow_on_failure: true, retries: 3, ..rig.hook(form) };
        let before = rig.server.count();
        let verdict = rig.caller.ask(&hook, &asked(Action::Publish)).await;
        let wanted = wanted.map_or(Verdict::Allow, |text| Verdict::Refuse { text: text.into() });
        assert_eq!(verdict, wanted, "{form:?} {reply:?}");
        assert_eq!(rig.server.count(), before + 1, "asked once, and nowhere else");
    }
}

#[tokio::test]
async fn what_fails_is_decided_by_the_setting_and_told_without_secrets() {
    for (reply, cause) in [
        (Reply::Never, "no answer within 100ms"),
        (Reply::Long(10 << 20), "the answer is longer than 65536 bytes"),
        (Reply::Garbage, "the answer is not HTTP"),
        (Reply::Close, "the connection was closed before the answer was complete"),
        (Reply::Status(503, "0".into()), "HTTP 503"),
    ] {
        let rig = Rig::new(reply.clone()).await;
        let timeout = if matches!(reply, Reply::Never) { 100 } else { 20_000 };
        for allow_on_failure in [false, true] {
            let hook = Hook { timeout: Duration::from_millis(timeout), ..rig.quick(allow_on_failure) };
            let verdict = rig.caller.ask(&hook, &asked(Action::Publish)).await;
            assert_eq!(verdict == Verdict::Allow, allow_on_failure, "{reply:?}");
        }
        let told = rig.events.look(Clone::clone);
        assert_eq!(told.len(), 1, "the first failure only: {told:?}");
        assert!(told[0].contains(cause) && told[0].contains("/on: "), "{cause}: {told:?}");
        assert!(!told[0].contains("s3cret"), "{told:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_down_refuses_at_once() {
    let rig = Rig::new(ok("0")).await;
    let hook = rig.hook(HookForm::Srs);
    let Rig { server, caller, events } = rig;
    drop(server);
    outflow_testkit::wait::until("the port is free", || {
        std::net::TcpStream::connect(&hook.url.expose()[7..22]).is_err()
    })
    .await;
    assert_eq!(refusal(caller.ask(&hook, &asked(Action::Publish)).await), "the hook gave no answer");
    assert!(events.look(|told| told[0].contains("connection refused")));
}

#[tokio::test]
async fn a_failure_is_retried_and_a_late_answer_counts() {
    let rig = Rig::new(ok("0")).await;
    rig.server.reply_in_turn(vec![Reply::Status(500, String::new()), Reply::Close, ok("0")]);
    let hook = Hook { retries: 2, ..rig.hook(HookForm::Srs) };
    assert_eq!(rig.caller.ask(&hook, &asked(Action::Publish)).await, Verdict::Allow);
    assert_eq!(rig.server.count(), 3);
    rig.server.reply(Reply::Close);
    refusal(rig.caller.ask(&Hook { retries: 1, ..hook }, &asked(Action::Publish)).await);
    assert_eq!(rig.server.count(), 5);
}

#[tokio::test]
async fn a_server_that_fails_again_and_again_is_left_alone_then_tried_once() {
    let open_for = Duration::from_millis(300);
    let rig = Rig::opening_for(Reply::Close, open_for).await;
    let hook = rig.hook(HookForm::Srs);
    let (one, resting) = (asked(Action::Play), "the hook has failed again and again, and is not asked for a while");
    for _ in 0..5 {
        assert_eq!(refusal(rig.caller.ask(&hook, &one).await), "the hook gave no answer");
    }
    let opened = tokio::time::Instant::now();
    assert_eq!(rig.server.count(), 5);
    assert_eq!(refusal(rig.caller.ask(&hook, &one).await), resting);
    assert_eq!(rig.server.count(), 5);
    // Another hook is another matter.
    let other = Hook { url: rig.server.url("/other").into(), ..hook.clone() };
    assert_eq!(refusal(rig.caller.ask(&other, &one).await), "the hook gave no answer");

    // Half open: one of these goes through, the others are answered at once while it hangs.
    rig.server.reply(Reply::Never);
    tokio::time::sleep_until(opened + open_for).await;
    let probe = tokio::spawn({
        let (caller, hook, one) = (rig.caller.clone(), hook.clone(), one.clone());
        async move { caller.ask(&hook, &one).await }
    });
    rig.server.requests.wait_for("the probe", |requests| (requests.len() == 7).then_some(())).await;
    assert_eq!(refusal(rig.caller.ask(&hook, &one).await), resting);
    // The peer gives up: its place goes to the next, whose answer closes it.
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    rig.server.reply(ok("0"));
    assert_eq!(rig.caller.ask(&hook, &one).await, Verdict::Allow);
    assert_eq!(rig.caller.ask(&hook, &one).await, Verdict::Allow);
    let told = rig.events.look(|told| told.join("\n"));
    assert!(told.contains("5 times in a row") && told.contains("answers again"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
}

#[tokio::test]
async fn so_many_calls_at_once_and_no_more() {
    let rig = Rig::new(Reply::Never).await;
    let mut asking = tokio::task::JoinSet::new();
    // All of them want an answer for the same time; those that get no turn in it fail too.
    for _ in 0..150 {
        let (caller, hook) = (rig.caller.clone(), Hook { timeout: Duration::from_secs(2), ..rig.hook(HookForm::Srs) });
        asking.spawn(async move { caller.ask(&hook, &asked(Action::Publish)).await });
    }
    while let Some(verdict) = asking.join_next().await {
        refusal(verdict.unwrap());
    }
    assert!((1..=48).contains(&rig.server.most_at_once()), "{}", rig.server.most_at_once());
}

#[tokio::test]
async fn telling_does_not_wait_and_is_bounded() {
    let rig = Rig::new(Reply::Never).await;
    let hook = rig.hook(HookForm::Srs);
    for _ in 0..line::QUEUE + 3 {
        rig.caller.tell(&hook, asked(Action::PublishDone));
    }
    assert_eq!(rig.events.look(Vec::len), 3, "those that found no place are reported");
    rig.server.requests.wait_for("as many as may run", |requests| (requests.len() == 16).then_some(())).await;
    assert!(rig.sent().body.contains("on_unpublish"));
    // Who comes is not kept waiting by those who leave.
    rig.server.reply(ok("0"));
    assert_eq!(rig.caller.ask(&hook, &asked(Action::Publish)).await, Verdict::Allow);
}

#[tokio::test]
async fn outputs_from_a_hook() {
    let rig = Rig::new(ok("0")).await;
    let (one, two) = ("rtmp://a.example/live/key1", "rtmps://b.example/live#key2");
    let list = |urls: Value| ok(&json!({"code": 0, "data": {"urls": urls}}).to_string());
    let many: Vec<&str> = std::iter::repeat_n(one, 65).collect();
    let cases: Vec<(HookForm, Reply, Result<Vec<&str>, &str>)> = vec![
        (HookForm::Srs, list(json!([one, two])), Ok(vec![one, two])),
        (HookForm::Srs, list(json!([])), Ok(vec![])),
        (HookForm::Srs, ok("{\"code\":0}"), Ok(vec![])),
        (HookForm::Srs, ok("{\"code\":0,\"data\":null}"), Ok(vec![])),
        (HookForm::Srs, ok("{\"code\":9}"), Err("the hook names no outputs (code 9)")),
        (HookForm::Srs, ok("nonsense"), Err("the hook's answer is neither 0 nor {\"code\": 0}")),
        (HookForm::Srs, list(json!("x")), Err("the hook's data.urls is not a list")),
        (HookForm::Srs, list(json!([one, 5])), Err("the hook's data.urls[1] is not a text")),
        (HookForm::Srs, list(json!(many)), Err("the hook names 65 outputs, 64 are the most")),
        (HookForm::Srs, list(json!(["rtmp:///live/key1"])), Err("URL 0 of the hook has no host")),
        (HookForm::Srs, list(json!([one, "file:///key1"])), Err("URL 1 of the hook is not one to send to: ")),
        (HookForm::Srs, Reply::Redirect(302, one.into()), Err("the hook redirects (HTTP 302), which is not followed")),
        (HookForm::Nginx, Reply::Redirect(302, one.into()), Ok(vec![one])),
        (
            HookForm::Nginx,
            Reply::Redirect(302, "http://key1/".into()),
            Err("URL 0 of the hook is not one to send to: "),
        ),
        (HookForm::Nginx, Reply::Status(204, String::new()), Ok(vec![])),
        (HookForm::Nginx, list(json!([two])), Ok(vec![two])),
        (HookForm::Nginx, Reply::Status(404, String::new()), Err("the hook names no outputs (HTTP 404)")),
    ];
    for (form, reply, wanted) in cases {
        rig.server.reply(reply.clone());
        let found = rig.caller.forward(&rig.hook(form), &asked(Action::Forward)).await;
        match (found, wanted) {
            (Ok(found), Ok(wanted)) => {
                assert_eq!(found.iter().map(Secret::expose).collect::<Vec<_>>(), wanted, "{reply:?}");
            }
            (Err(found), Err(wanted)) => {
                assert!(found.starts_with(wanted) && !found.contains("key1"), "{found}, wanted {wanted}");
            }
            (found, wanted) => panic!("{form:?} {reply:?}: {found:?}, wanted {wanted:?}"),
        }
    }
    rig.server.reply(Reply::Close);
    let failed = rig.caller.forward(&rig.hook(HookForm::Srs), &asked(Action::Forward)).await;
    assert_eq!(failed.unwrap_err(), "the hook gave no answer");
}

#[tokio::test]
async fn a_wrong_url_is_told() {
    let rig = Rig::new(ok("0")).await;
    let hook = Hook { url: "gopher://s3cret".into(), ..rig.hook(HookForm::Srs) };
    assert_eq!(refusal(rig.caller.ask(&hook, &asked(Action::Play)).await), "the hook can't be asked");
    let told = rig.events.look(|told| told.join("\n"));
    assert!(told.contains("must begin with http:// or https://") && !told.contains("s3cret"), "{told}");
    assert!(!format!("{:?}", asked(Action::Play)).contains("token"), "what a peer sends as its key is not printed");
}
