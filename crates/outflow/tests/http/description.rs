//! The description at `/openapi.json` and the page for people name every endpoint.

use crate::rig::{Rig, config};

#[tokio::test]
async fn the_description_and_the_page_name_every_endpoint() {
    let rig = Rig::start(config());
    let answer = rig.get("/openapi.json").await;
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    let description = answer.json();
    assert_eq!(description["openapi"], "3.1.0");
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md")).unwrap();
    let mut missing = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            // In backticks, since mdbook takes a heading's last `{...}` for attributes.
            let heading = format!("### `{} {path}`", method.to_uppercase());
            if !page.lines().any(|line| line == heading) {
                missing.push(heading);
            }
            if path == "/v1/events" {
                // It would not end.
                continue;
            }
            // A path that is described is one that is answered: by something of its own, not by the router.
            let path = path.replace("{app}", "a").replace("{name}", "b").replace("{id}", "c");
            let answer = rig.ask(&format!("{} {path}", method.to_uppercase()), "", "").await;
            assert_ne!(answer.status, 405, "{method} {path}");
            assert!(!answer.body.contains("nothing at this path"), "{method} {path}");
            let status = answer.status.to_string();
            assert!(operation["responses"].get(&status).is_some(), "{method} {path}: {status} is not described");
        }
    }
    assert!(missing.is_empty(), "docs/api.md lacks {missing:?}");
}
