//! Tests of both logins. The numbers were made with another program from the formulas in FFmpeg's `rtmpproto.c`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::adobe::{Gate, Verdict, Wrong, turned_away, without_login};
use super::*;
use proptest::prelude::*;

fn login() -> Login {
    Login::new(Credentials { user: "user".into(), password: "pass word".into() })
}

fn demand(text: &str) -> Demand {
    Demand::read(text).unwrap()
}

fn query(login: &Login) -> &str {
    login.query().map_or("", Secret::expose)
}

const NEED: &str = "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ";
const PROVE: &str = "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=user&salt=aBcDeF&challenge=Q2hh&opaque=b3BhcXVl";

#[test]
fn adobe_in_three_connections() {
    let mut login = login();
    login.answer(&demand(NEED), "live", 1).unwrap();
    assert_eq!(query(&login), "?authmod=adobe&user=user");
    login.answer(&demand(PROVE), "live", 0x00C0_FFEE).unwrap();
    let response = "2GT/uXXT2Q63gwZePjAv5w==";
    assert_eq!(
        query(&login),
        format!("?authmod=adobe&user=user&challenge=00c0ffee&response={response}&opaque=b3BhcXVl")
    );
    // The server is not satisfied and begins anew: that would never end.
    assert_eq!(login.answer(&demand(PROVE), "live", 2), Err(LoginError::Failed));
    assert_eq!(login.answer(&demand(NEED), "live", 2), Err(LoginError::Failed));
}

#[test]
fn adobe_without_opaque_hashes_the_challenge() {
    let mut login = login();
    let text = "authmod=adobe ?reason=needauth&user=user&salt=aBcDeF&challenge=Q2hh";
    login.answer(&demand(text), "live", 0x00C0_FFEE).unwrap();
    let response = "1+dUREAznLFCb4ZRM/alWA==";
    assert_eq!(query(&login), format!("?authmod=adobe&user=user&challenge=00c0ffee&response={response}"));
}

#[test]
fn limelight_with_and_without_an_instance() {
    for (app, response) in
        [("live", "a76b826c04c355f2a0692c109a9761a8"), ("live/inst", "dac9ddef40a07531a9c65ef39a752f2f")]
    {
        let mut login = login();
        login.answer(&demand("[ code=403 need auth; authmod=llnw ]"), app, 1).unwrap();
        assert_eq!(query(&login), "?authmod=llnw&user=user");
        let text = "[ authmod=llnw ] : ?reason=needauth&user=user&nonce=n0nce";
        login.answer(&demand(text), app, 0x00C0_FFEE).unwrap();
        let rest = format!("nonce=n0nce&cnonce=00c0ffee&nc=00000001&response={response}");
        assert_eq!(query(&login), format!("?authmod=llnw&user=user&{rest}"));
    }
}

#[test]
fn descriptions_of_every_form_are_read() {
    for (text, step) in [
        (NEED, Step::User),
        ("code=403 need auth; authmod=adobe", Step::User),
        ("[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=authfailed&opaque=x", Step::Failed),
        ("authmod=adobe : ?reason=nosuchuser", Step::NoSuchUser),
        ("authmod=adobe", Step::Unclear),
        ("authmod=adobe ?reason=tired", Step::Unclear),
    ] {
        assert_eq!(demand(text), Demand { method: Method::Adobe, step }, "{text}");
    }
    // A blank ends the values.
    let Step::Proof { opaque, .. } = demand("authmod=adobe ?reason=needauth&opaque=YQ== ]").step else { panic!() };
    assert_eq!(opaque.as_deref(), Some("YQ=="));
    for text in ["", "no such app", "authmod=basic", "?reason=needauth&salt=x"] {
        assert_eq!(Demand::read(text), None, "{text}");
    }
    let mut login = login();
    assert_eq!(login.answer(&demand("authmod=llnw ?reason=nosuchuser"), "a", 1), Err(LoginError::NoSuchUser));
    assert_eq!(login.answer(&demand("authmod=llnw"), "a", 1), Err(LoginError::Unclear));
}

#[test]
fn nothing_shows_the_password() {
    let mut login = login();
    login.answer(&demand(PROVE), "live", 1).unwrap();
    let shown = format!("{login:?} {:?}", Gate::new([7; 32]));
    assert!(!shown.contains("pass word") && !shown.contains("response="), "{shown}");
    assert!(!query(&login).contains("pass word"));
}

#[test]
fn a_login_is_cut_off_wherever_it_stands() {
    for (text, rest) in [
        ("live", "live"),
        ("live?authmod=adobe&user=u", "live"),
        ("live?token=1?authmod=adobe&user=u", "live?token=1"),
        ("live?token=1&authmod=adobe&user=u", "live?token=1"),
        ("rtmp://h/live/é?authmod=", "rtmp://h/live/é"),
    ] {
        assert_eq!(without_login(text), rest);
    }
}

/// A client of ours and a server of ours, from the first refusal to the end.
fn converse(gate: &Gate, password: &str, wait: u64) -> Vec<Verdict> {
    let mut login = Login::new(Credentials { user: "user".into(), password: password.into() });
    let mut verdicts = Vec::new();
    for round in 0..4 {
        let app = format!("live?key=1{}", query(&login));
        let verdict = gate.judge(&app, "", 1000 + round * wait, 42 + round, |user| {
            (user == "user").then(|| Secret::from("pass word"))
        });
        verdicts.push(verdict.clone());
        let Verdict::Refuse { description, .. } = verdict else { break };
        if login.answer(&demand(&description), "live", 9 + round as u32).is_err() {
            break;
        }
    }
    verdicts
}

#[test]
fn a_gate_lets_in_who_knows_the_password() {
    let gate = Gate::new([7; 32]);
    let verdicts = converse(&gate, "pass word", 1);
    let texts: Vec<&str> = verdicts
        .iter()
        .map(|verdict| match verdict {
            Verdict::Refuse { description, wrong: None } => description.split("&salt").next().unwrap(),
            Verdict::Refuse { .. } => "failed",
            Verdict::Accept { user } => user,
        })
        .collect();
    let asked = "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=user";
    assert_eq!(texts, [NEED, asked, "user"]);
}

#[test]
fn a_gate_keeps_out_who_does_not() {
    let gate = Gate::new([7; 32]);
    let told = |verdict: &Verdict, reason: &str| {
        let Verdict::Refuse { description, wrong: Some(wrong) } = verdict else { panic!("{verdict:?}") };
        assert_eq!(*description, format!("[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason={reason}"));
        wrong.clone()
    };
    let last = |verdicts: Vec<Verdict>| told(verdicts.last().unwrap(), "authfailed");
    let user = || "user".to_owned();
    assert_eq!(last(converse(&gate, "Pass word", 1)), Wrong::Password { user: user() });
    assert_eq!(last(converse(&gate, "", 1)), Wrong::Password { user: user() });
    assert_eq!(last(converse(&gate, "pass word", LATE)), Wrong::Spent { user: user() }, "the challenge is too old");
    // The right password for the challenge of another server.
    let mut login = login();
    login.answer(&demand(PROVE), "live", 1).unwrap();
    let app = format!("live{}", query(&login));
    let verdict = gate.judge(&app, "", 1, 1, |_| Some("pass word".into()));
    assert_eq!(told(&verdict, "authfailed"), Wrong::Unclear);
    // An unknown user is asked like a known one, and told once it has answered.
    let unknown = |app: &str| gate.judge(app, "", 1, 1, |_| None);
    let Verdict::Refuse { description, wrong: None } = unknown("live?authmod=adobe&user=user") else { panic!() };
    let mut login = self::login();
    login.answer(&demand(&description), "live", 1).unwrap();
    assert_eq!(told(&unknown(&format!("live{}", query(&login))), "nosuchuser"), Wrong::User);
    assert_eq!(Demand::read("authmod=adobe : ?reason=nosuchuser").unwrap().step, Step::NoSuchUser);
    for strange in ["", "a\nb", "a b", "a?b", &"x".repeat(256)] {
        assert_eq!(told(&unknown(&format!("live?authmod=adobe&user={strange}")), "authfailed"), Wrong::Unclear);
    }
    assert_eq!(told(&unknown("live?authmod=llnw&user=x"), "authfailed"), Wrong::Unclear);
    assert_eq!(Demand::read(&turned_away()).unwrap().step, Step::Failed);
}

#[test]
fn a_proof_is_taken_once() {
    let gate = Gate::new([7; 32]);
    let judge = |app: &str, now| gate.judge(app, "", now, now, |_| Some("pass word".into()));
    let Verdict::Refuse { description, .. } = judge("live?authmod=adobe&user=user", 1000) else { panic!() };
    let mut login = login();
    login.answer(&demand(&description), "live", 1).unwrap();
    let app = format!("live{}", query(&login));
    let user = || "user".to_owned();
    assert_eq!(judge(&app, 1001), Verdict::Accept { user: user() });
    for (app, now) in [(app.clone(), 1002), (app.replace("==", ""), 1002), (app.clone(), 1000 + LATE)] {
        let Verdict::Refuse { wrong: Some(_), .. } = judge(&app, now) else { panic!("{now}") };
    }
    // Another client of the same user is asked with other numbers, and gets in.
    let other = Login::new(Credentials { user: user(), password: "pass word".into() });
    let mut login = other;
    let Verdict::Refuse { description: next, .. } = judge("live?authmod=adobe&user=user", 1003) else { panic!() };
    assert_ne!(next, description, "salt and challenge are new for each connection");
    login.answer(&demand(&next), "live", 1).unwrap();
    assert_eq!(judge(&format!("live{}", query(&login)), 1003), Verdict::Accept { user: user() });
}

const LATE: u64 = 121;

proptest! {
    #[test]
    fn any_text_is_no_panic(text in "\\PC{0,80}", values in "[a-z=&?+/ ]{0,60}") {
        let all = format!("authmod=adobe {text}?reason=needauth&{values}");
        if let Some(demand) = Demand::read(&all) {
            let _ = login().answer(&demand, &text, 1);
        }
        let _ = (Demand::read(&text), without_login(&all));
        let verdict = Gate::new([1; 32]).judge(&format!("{text}?authmod={values}"), &all, 1, 1, |_| Some("p".into()));
        let accepted = matches!(verdict, Verdict::Accept { .. });
        prop_assert!(!accepted);
    }
}
