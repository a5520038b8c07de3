//! The page's files, and the sessions of browsers that use it.

use crate::rig::{Answer, JSON, Rig, config};

const NEW: &str = "{\"stream\":\"live/cam\",\"url\":\"rtmp://127.0.0.1:9/app/s3cret\"}";

fn cookie(answer: &Answer) -> String {
    let line = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
    assert!(line.contains("httponly") && line.contains("samesite=strict"), "{line}");
    format!("Cookie: {}\r\n", line.split(';').next().unwrap())
}

#[tokio::test]
async fn the_files_need_no_token_and_ask_nobody_else() {
    let rig = Rig::with_token("s3cret");
    let page = rig.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-type: text/html"), "{}", page.head);
    assert!(page.head.contains("default-src 'none'; script-src 'self'"), "{}", page.head);
    assert!(!page.head.contains("unsafe"), "{}", page.head);
    assert!(!page.body.contains("http"), "nothing from elsewhere: {}", page.body);
    let mut paths = vec!["/icon.svg".to_owned()];
    for (mark, text) in [("href=\"", &page.body), ("src=\"", &page.body)] {
        let found = text.split(mark).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        paths.extend(found.filter(|path| path.starts_with('/')));
    }
    // Modules name each other.
    let mut seen: Vec<String> = Vec::new();
    while let Some(path) = paths.pop() {
        if seen.contains(&path) {
            continue;
        }
        let answer = rig.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.head.contains("nosniff"), "{}", answer.head);
        let imports = answer.body.split("from './").skip(1).map(|rest| rest.split('\'').next().unwrap());
        paths.extend(imports.map(|name| format!("/js/{name}")));
        seen.push(path);
    }
    assert!(seen.len() >= 12, "{seen:?}");
    let player = rig.get("/vendor/mpegts-1.8.2.js").await;
    assert!(player.status == 200 && player.head.contains("immutable"), "{}", player.head);
    // They hold nothing; what they show needs the token.
    assert_eq!(rig.get("/v1/outputs").await.code(), "unauthorized");
    assert_eq!(rig.get("/js/nothing.js").await.status, 401);
}

#[tokio::test]
async fn a_browser_logs_in_once_and_out_again() {
    let rig = Rig::with_token("s3cret");
    let ours = format!("Origin: http://{}\r\n", rig.http.address);
    assert_eq!(
        rig.get("/v1/session").await.json(),
        serde_json::json!({ "required": true, "valid": false, "read_only": false })
    );
    let wrong = rig.ask("POST /v1/session", &format!("{ours}{JSON}"), "{\"token\":\"s3cre\"}").await;
    assert_eq!(wrong.code(), "unauthorized");
    assert!(!wrong.head.contains("set-cookie") && !wrong.body.contains("s3cre"), "{}", wrong.body);
    let evil = format!("Origin: https://evil.example\r\n{JSON}");
    assert_eq!(rig.ask("POST /v1/session", &evil, "{\"token\":\"s3cret\"}").await.code(), "forbidden_origin");
    let login = rig.ask("POST /v1/session", &format!("{ours}{JSON}"), "{\"token\":\"s3cret\"}").await;
    assert_eq!((login.status, &login.json()["valid"]), (200, &true.into()));
    assert!(!login.head.contains("s3cret"), "the cookie is not the token");
    let cookie = cookie(&login);
    let with = |more: &str| format!("{cookie}{more}");
    assert_eq!(rig.ask("GET /v1/outputs", &cookie, "").await.status, 200);
    assert_eq!(rig.ask("GET /v1/session", &cookie, "").await.json()["valid"], true);
    // A change needs to say where it comes from, and to come from here.
    assert_eq!(rig.ask("POST /v1/outputs", &with(JSON), NEW).await.code(), "forbidden_origin");
    assert_eq!(rig.ask("POST /v1/outputs", &with(&evil), NEW).await.code(), "forbidden_origin");
    let added = rig.ask("POST /v1/outputs", &with(&format!("{ours}{JSON}")), NEW).await;
    assert_eq!(added.status, 201, "{}", added.body);
    // Logged out, the cookie is worth nothing, whoever kept it.
    let out = rig.ask("DELETE /v1/session", &with(&ours), "").await;
    assert!(out.status == 204 && out.head.contains("max-age=0"), "{}", out.head);
    assert_eq!(rig.ask("GET /v1/outputs", &cookie, "").await.code(), "unauthorized");
}

#[tokio::test]
async fn without_a_token_there_is_no_login() {
    let rig = Rig::start(config());
    assert_eq!(
        rig.get("/v1/session").await.json(),
        serde_json::json!({ "required": false, "valid": true, "read_only": false })
    );
    let answer = rig.ask("POST /v1/session", JSON, "{\"token\":\"x\"}").await;
    assert!(answer.status == 200 && !answer.head.contains("set-cookie"), "{}", answer.head);
}
