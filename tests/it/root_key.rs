//! Root keys as operators handle them: where they come from, how another one takes over, what is refused.

use std::{fs, path::Path, process::Stdio, time::Duration};

use passkey_accounts_tests::{build::server_binary, installation::Installation};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::{sleep, timeout},
};

/// Runs a command and returns what it prints; `Err` with its complaint.
async fn run(arguments: &[&str]) -> Result<Value, String> {
    let output = Command::new(server_binary()).args(arguments).arg("--json").output().await.unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_root_key_takes_over_while_the_server_runs_and_the_old_one_may_go_then() {
    let installation = Installation::create(1).await;
    let (data, root_key) = (installation.data_directory(), installation.root_key_file());
    let (data, file) = (text(&data), text(&root_key));
    let list =
        async || run(&["root-key", "list", "--data-dir", data, "--root-key-file", file]).await.unwrap();
    let old = list().await[0].clone();
    assert_eq!((&old["role"], &old["values"]), (&json!("seals"), &json!(3)), "an API key, index and roll");
    let old_id = old["id"].as_str().unwrap();
    let retire =
        async |id: &str| run(&["root-key", "retire", id, "--data-dir", data, "--root-key-file", file]).await;
    assert!(retire(old_id).await.unwrap_err().contains("3 values are still sealed by"));

    let server = installation.start(1).await;
    let rotated = run(&["root-key", "rotate", "--root-key-file", file]).await.unwrap();
    assert_eq!(rotated["keys"][1], *old_id);
    let new_id = rotated["sealing"].as_str().unwrap();
    assert!(retire(old_id).await.is_err(), "the server has not heard of it");
    server.hang_up().await;
    let moved = async {
        while list().await[1]["values"] != 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), moved).await.expect("everything is sealed again");
    assert_eq!(list().await[0], json!({ "id": new_id, "role": "seals", "values": 3 }));
    assert!(retire(new_id).await.unwrap_err().contains("values are still sealed by"));
    assert_eq!(retire(old_id).await.unwrap(), json!({ "retired": old_id, "keys": [new_id] }));
    server.kill().await;
    installation.start(1).await.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_does_not_open_by_another_root_key_and_says_which_one_is_missing() {
    let installation = Installation::create(1).await;
    let (data, root_key) = (installation.data_directory(), installation.root_key_file());
    let list = ["root-key", "list", "--data-dir", text(&data), "--root-key-file", text(&root_key)];
    let id = run(&list).await.unwrap()[0]["id"].as_str().unwrap().to_owned();
    fs::write(&root_key, "0b".repeat(32)).unwrap();
    let error = run(&["app", "list", "--data-dir", text(&data), "--root-key-file", text(&root_key)]).await;
    assert!(
        error.unwrap_err().contains(&format!("sealed by the root key {id}, which is not among those given"))
    );
    assert_eq!(run(&list).await.unwrap()[1], json!({ "id": id, "role": "missing", "values": 3 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_key_comes_from_a_file_the_environment_or_a_command() {
    let installation = Installation::create(1).await;
    let (data, root_key) = (installation.data_directory(), installation.root_key_file());
    let config = installation.config_file();
    let settings = fs::read_to_string(&config).unwrap();
    let without: Vec<_> = settings.lines().filter(|line| !line.starts_with("root_key_file")).collect();
    fs::write(&config, without.join("\n")).unwrap();
    let serve = async |variables: &[(&str, &str)]| {
        let mut command = Command::new(server_binary());
        command.args(["serve", "--config", text(&config)]).envs(variables.iter().copied());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).await.unwrap();
        if line.is_empty() {
            return Err(String::from_utf8(child.wait_with_output().await.unwrap().stderr).unwrap());
        }
        child.kill().await.unwrap();
        Ok(line)
    };
    let key = "5a".repeat(32);
    let cat = format!("cat {}", root_key.display());
    for variable in [
        ("PASSKEY_ACCOUNTS_SERVER__ROOT_KEY", key.as_str()),
        ("PASSKEY_ACCOUNTS_SERVER__ROOT_KEY_FILE", text(&root_key)),
        ("PASSKEY_ACCOUNTS_SERVER__ROOT_KEY_COMMAND", &cat),
    ] {
        assert!(serve(&[variable]).await.unwrap().starts_with("listening on"), "{variable:?}");
        let listed = Command::new(server_binary())
            .args(["app", "list", "--json", "--data-dir", text(&data)])
            .envs([variable])
            .output()
            .await
            .unwrap();
        assert!(listed.status.success(), "{variable:?}");
    }
    assert!(serve(&[]).await.unwrap_err().contains("exactly one of root_key_file"));
    fs::write(&config, format!("root_key = '{key}'\n{}", without.join("\n"))).unwrap();
    assert!(serve(&[]).await.unwrap_err().contains("belongs in the environment"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_database_is_checked_and_accepted_by_its_operator() {
    use sqlx::{Connection, SqliteConnection};
    let installation = Installation::create(1).await;
    let (data, root_key) = (installation.data_directory(), installation.root_key_file());
    let place = ["--data-dir", text(&data), "--root-key-file", text(&root_key)];
    let on = |arguments: &[&'static str]| [arguments, &place].concat();
    let clean = run(&on(&["data", "check"])).await.unwrap();
    assert_eq!(clean, json!({ "accounts": 0, "keys": 1, "problems": [] }));
    let mut database = SqliteConnection::connect(text(&data.join("accounts.sqlite"))).await.unwrap();
    sqlx::query("UPDATE apps SET name = 'Evil'").execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    let refused = run(&on(&["app", "list"])).await.unwrap_err();
    assert!(refused.contains("not as this server left it") && refused.contains("data check"), "{refused}");
    assert!(run(&on(&["data", "check"])).await.unwrap_err().contains("not as the server left it"));
    run(&on(&["data", "accept"])).await.unwrap();
    assert_eq!(run(&on(&["app", "list"])).await.unwrap()[0]["name"], "Evil");
    let out = installation.data_directory().join("log.jsonl");
    run(&[&on(&["log", "export", "--out"])[..3], &[text(&out)], &place].concat()).await.unwrap();
    let log = fs::read_to_string(out).unwrap();
    assert!(log.contains("tamperingDetected") && log.contains(r#""row":"database""#), "{log}");
}
