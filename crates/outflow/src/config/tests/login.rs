//! Users, and the streams that want them.

use super::*;

const USERS: &str = "[users]\nalice = \"s3cret\"\n\"bob@example.com\" = { env = \"KEY\" }\n";

fn with_key() -> Fake {
    let mut world = world();
    world.variables.insert("KEY", "s3cret-b");
    world
}

#[test]
fn users_are_named_by_streams() {
    let text = format!(
        "{USERS}[listen]\nrtmp = \":1935\"\n[[stream]]\nname = \"live/a\"\npublish_user = \"alice\"\n\
         play_user = [\"alice\", \"bob@example.com\"]\n"
    );
    let Loaded { config, warnings } =
        parse(&text, NAME, &with_key()).unwrap_or_else(|wrong| panic!("{}", told(&wrong)));
    assert_eq!(told(&warnings), "", "a login is as good as a key on a port that others reach");
    assert_eq!(config.users["bob@example.com"].expose(), "s3cret-b");
    assert_eq!(config.streams[0].publish_users, ["alice"]);
    assert_eq!(config.streams[0].play_users, ["alice", "bob@example.com"]);
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn mistakes_are_told_with_the_mend() {
    let stream = |rest: &str| format!("{USERS}[[stream]]\nname = \"live/a\"\n{rest}\n");
    for (text, problem, hint) in [
        (stream("publish_user = \"alise\""), "no user `alise` in [users]", "`alice`"),
        (stream("publish_user = [\"zoe\"]"), "no user `zoe` in [users]", "below [users]"),
        (stream("play_user = []"), "the list is empty", "name a user"),
        ("[users]\n\"a b\" = \"s3cret\"\n".into(), "can't be the name of a user", "without blanks"),
        ("[users]\na = \"\"\n".into(), "the secret is empty", "write it"),
        ("users = 3\n".into(), "a table is wanted", "[users]"),
    ] {
        let mistakes = parse(&text, NAME, &with_key()).expect_err(&text);
        let [mistake] = mistakes.as_slice() else { panic!("{text}\n{}", told(&mistakes)) };
        assert!(mistake.problem.contains(problem), "{text}\n{mistake}");
        assert!(mistake.hint.as_deref().unwrap().contains(hint), "{text}\n{mistake}");
        assert!(!mistake.to_string().contains("s3cret"), "{mistake}");
    }
}

#[test]
fn streams_of_one_app_log_in_alike_or_there_is_a_warning() {
    let text = format!(
        "{USERS}[[stream]]\nname = \"live/a\"\npublish_user = \"alice\"\n[[stream]]\nname = \"live/b\"\n\
         [[stream]]\nname = \"other/b\"\n"
    );
    let Loaded { warnings, .. } = parse(&text, NAME, &with_key()).unwrap_or_else(|wrong| panic!("{}", told(&wrong)));
    let [warning] = warnings.as_slice() else { panic!("{}", told(&warnings)) };
    assert!(warning.problem.contains("`live/b` has to log in too: `live/a` of line 5"), "{warning}");
}
