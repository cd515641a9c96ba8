//! The Swift package as it is shipped, against the real server: `PasskeyAccounts-<version>.zip` is unpacked, and packages of
//! tests and examples depend on it by its path, inside of Debian's Swift toolchain (xtask/scripts/swift-rootfs.sh).

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{self, Stdio},
    sync::OnceLock,
    time::Duration,
};

use passkey_accounts_tests::{
    build::{self, artifact, workspace},
    control::Control,
    vectors,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{ChildStdout, Command},
};

/// Where the toolchain is, and the folder in which everything was built.
struct Built {
    toolchain: PathBuf,
    folder: PathBuf,
}

/// Unpacks and builds everything, once for all tests.
fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let toolchain = read(script("swift-rootfs.sh"));
        let built = Built { toolchain: toolchain.trim().into(), folder: build::target().join("swift/tests") };
        let source = workspace().join("sdk-ffi/swift");
        let unpacked = built.folder.with_file_name("unpacked");
        let archive = artifact(&format!("PasskeyAccounts-{}.zip", env!("CARGO_PKG_VERSION")));
        remove(&unpacked);
        read(process::Command::new("python3").args(["-m", "zipfile", "-e"]).arg(archive).arg(&unpacked));
        for (from, to) in [
            (unpacked.join("PasskeyAccounts"), "PasskeyAccounts"),
            (source.join("Tests"), "Tests"),
            (workspace().join("examples/swift"), "Example"),
        ] {
            synchronize(&from, &built.folder.join(to)).expect("files can be copied");
        }
        for (package, arguments) in [
            ("Tests", "--build-tests"),
            ("Example", "--product=print-sign-ins"),
            ("Example", "--product=check-requests"),
        ] {
            // SwiftPM's plan lists the files of the package that is depended on, and is not made anew when there are others.
            let plan = built.folder.join("build").join(package).join("debug.yaml");
            if plan.exists() {
                fs::remove_file(plan).expect("a file can be removed");
            }
            let scratch = format!("--scratch-path=/src/build/{package}");
            let folder = format!("--package-path=/src/{package}");
            let command = built.command(&["swift", "build", "--quiet", &folder, &scratch, arguments]);
            read(command);
        }
        built
    })
}

impl Built {
    /// Runs this in the toolchain, in the folder of everything.
    fn command(&self, program: &[&str]) -> process::Command {
        let mut command = script("swift-run.sh");
        command.arg(&self.toolchain).arg(&self.folder).arg(workspace()).args(program);
        command
    }
}

fn script(name: &str) -> process::Command {
    let mut command = process::Command::new("bash");
    command.arg(workspace().join("xtask/scripts").join(name));
    command
}

fn read(mut command: impl std::borrow::BorrowMut<process::Command>) -> String {
    let command = command.borrow_mut();
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    let said = [output.stdout.as_slice(), &output.stderr].map(String::from_utf8_lossy);
    assert!(output.status.success(), "{command:?} failed:\n{}{}", said[0], said[1]);
    said[0].clone().into_owned()
}

fn remove(folder: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).expect("a folder can be removed");
    }
}

/// Makes a folder like another one, and touches nothing that is equal: what has not changed is not compiled again.
fn synchronize(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for old in fs::read_dir(to)? {
        let old = old?;
        if !from.join(old.file_name()).exists() {
            if old.file_type()?.is_dir() {
                fs::remove_dir_all(old.path())?;
            } else {
                fs::remove_file(old.path())?;
            }
        }
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            synchronize(&entry.path(), &target)?;
        } else if fs::read(entry.path())? != fs::read(&target).unwrap_or_default() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Runs these test cases, which may tell a server what to do, and returns what they printed.
async fn passes(cases: &'static str) -> String {
    // Before anybody is connected: it may take longer than a page may be silent.
    let built = tokio::task::spawn_blocking(built).await.expect("everything can be built");
    let control = Control::start(build::served_binary().to_owned()).await;
    let runner = "/src/build/Tests/debug/PasskeyAccountsTestsPackageTests.xctest";
    let names: Vec<_> = cases.split(' ').map(|name| format!("PasskeyAccountsTests.{name}")).collect();
    let mut tests = Command::from(built.command(&[runner, &names.join(",")]));
    tests.env("SWIFT_TEST_VECTORS", "/repository/tests/vectors").envs(control.environment());
    // Into a file: what tests that hang have said until then is all there is to go by.
    let mut log = tempfile::tempfile().expect("a file can be made");
    let same = || Stdio::from(log.try_clone().expect("a file can be shared"));
    tests.stdin(Stdio::null()).stdout(same()).stderr(same()).kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_mins(3), tests.status());
    let ended = control.obey_until(ended).await;
    let mut said = String::new();
    log.seek(SeekFrom::Start(0)).and_then(|_| log.read_to_string(&mut said)).expect("the file can be read");
    let status = ended.unwrap_or_else(|_| panic!("the tests do not end:\n{said}"));
    assert!(status.expect("they can be started").success(), "{said}");
    assert!(said.contains("with 0 failures") && !said.contains("Executed 0 tests"), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_and_the_checks_say_what_the_vectors_say() {
    vectors::record("Swift", &passes("StreamReplayTests ProofReplayTests").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_misses_nothing_and_repeats_what_was_not_handled() {
    passes("EventsTests ReadmeTests").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_take_over_from_each_other() {
    passes("WorkersTests").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_sessions_know_who_is_signed_in() {
    passes("SessionsTests").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_no_pinned_passkey_signed_is_refused() {
    passes("EvidenceTests").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_rewritten_is_noticed() {
    passes("WitnessTests").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_pass_with_the_proof_of_a_live_session_and_no_other() {
    passes("ProofsTests").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_http_api_is_typed() {
    passes("APITests").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_events_take_no_more_memory_than_some() {
    passes("MemoryTests").await;
}

/// An example that runs, and what it prints.
struct Example {
    _process: tokio::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Example {
    /// Starts it with the environment that all tests get, and with some words of its own.
    fn start(name: &str, environment: &[(&str, String)], own: &[&str]) -> Self {
        let program = format!("/src/build/Example/debug/{name}");
        let words: Vec<_> = ["env"].iter().chain(own).copied().chain([program.as_str()]).collect();
        let mut command = Command::from(built().command(&words));
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().expect("the example can be started");
        let output = process.stdout.take().expect("its output is piped");
        Self { _process: process, lines: BufReader::new(output).lines() }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_mins(1), self.lines.next_line()).await;
        line.expect("it prints in time").expect("it prints text").expect("it runs")
    }
}

/// Has something done by the control.
async fn order(control: String, command: Value) -> Value {
    let ask = move || {
        let mut answer = ureq::post(&control)
            .header("content-type", "application/json")
            .send(command.to_string())
            .expect("the control answers");
        let text = answer.body_mut().read_to_string().expect("it answers with text");
        serde_json::from_str(&text).expect("it answers with JSON")
    };
    tokio::task::spawn_blocking(ask).await.expect("it does not panic")
}

/// Lets the control obey while the test goes on.
async fn with_control<T>(test: impl AsyncFnOnce([(&'static str, String); 3], String) -> T) -> T {
    tokio::task::spawn_blocking(built).await.expect("everything can be built");
    let control = Control::start(build::served_binary().to_owned()).await;
    let environment = control.environment();
    let address = environment[2].1.clone();
    control.obey_until(test(environment, address)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_example_prints_who_signs_in_and_out() {
    with_control(async |environment, control| {
        let ada = order(control.clone(), json!({ "do": "signIn", "email": "ada@shop.example" })).await;
        let account = ada["accountID"].as_str().expect("it has an id");
        let mut example = Example::start("print-sign-ins", &environment, &[]);
        assert_eq!(example.line().await, format!("signed in: {account}"), "the state comes first");
        order(control.clone(), json!({ "do": "signOut", "page": ada["page"] })).await;
        assert_eq!(example.line().await, format!("signed out: {account}"));
        order(control, json!({ "do": "signIn", "email": "ada@shop.example" })).await;
        assert_eq!(example.line().await, format!("signed in: {account}"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_example_says_what_is_wrong_with_a_bad_key() {
    with_control(async |[url, ..], _| {
        let mut command = Command::from(built().command(&["/src/build/Example/debug/print-sign-ins"]));
        command.envs([url, ("PASSKEY_ACCOUNTS_API_KEY", "pa_dev_nonsense".into())]).kill_on_drop(true);
        let output = command.output().await.expect("the example can be started");
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("the API key is missing, misspelt or unknown"), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_back_end_keeps_notes_for_who_signs_their_requests() {
    with_control(async |environment, control| {
        let order = |command| order(control.clone(), command);
        let origin = "http://localhost:3000";
        let own = ["ORIGIN=http://localhost:3000", "PORT=0"];
        let mut example = Example::start("check-requests", &environment, &own);
        let listening = example.line().await;
        let port = listening.split(' ').nth(3).expect("it says its port").to_owned();
        let address = format!("http://localhost:{port}/notes");
        let ask = async |page: &Value, method: &'static str, body: Option<&'static str>| {
            let mut wish = json!({ "do": "prove", "page": page, "method": method, "origin": origin, "target": "/notes" });
            if let Some(body) = body {
                wish["body"] = body.into();
            }
            let proof = order(wish).await;
            let mut request = ureq::http::Request::builder().method(method).uri(&address);
            for field in proof["fields"].as_array().expect("it signs") {
                request = request.header(field[0].as_str().expect("a name"), field[1].as_str().expect("a value"));
            }
            let request = request.body(body.unwrap_or_default()).expect("it is a request");
            answered(request).await
        };
        let ada = order(json!({ "do": "signIn", "email": "ada@shop.example" })).await;
        let eve = order(json!({ "do": "signIn", "email": "eve@shop.example" })).await;
        assert_eq!(ask(&ada["page"], "POST", Some("milk")).await.0, 201);
        let (status, notes) = ask(&ada["page"], "GET", None).await;
        assert_eq!((status, notes), (200, json!({ "accountID": ada["accountID"], "notes": ["milk"] })));
        let (_, notes) = ask(&eve["page"], "GET", None).await;
        assert_eq!(notes, json!({ "accountID": eve["accountID"], "notes": [] }));

        let unsigned = ureq::http::Request::get(&address).body("").expect("it is a request");
        let (status, problem) = answered(unsigned).await;
        assert_eq!((status, &problem["code"], &problem["title"]), (401, &json!("proofMissing"), &json!("Unauthorized")));

        order(json!({ "do": "signOut", "page": ada["page"] })).await;
        let account = ada["accountID"].as_str().expect("it has an id");
        assert_eq!(example.line().await, format!("signed out: {account}"));
    })
    .await;
}

/// The status and the JSON of an answer, null where it has none.
async fn answered(request: ureq::http::Request<&'static str>) -> (u16, Value) {
    let ask = move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.run(request).expect("the back end answers");
        let text = answer.body_mut().read_to_string().expect("it answers with text");
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
    };
    tokio::task::spawn_blocking(ask).await.expect("it does not panic")
}

/// What the README shows are lines of files that run; the comment before a block names the file.
#[test]
fn the_readme_shows_lines_of_files_that_run() {
    let readme = fs::read_to_string(workspace().join("sdk-ffi/swift/README.md")).expect("it is there");
    let plain = |text: &str| -> String {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
    };
    let cuts: Vec<_> = readme.split("<!-- cut from ").skip(1).collect();
    assert_eq!(cuts.len(), readme.matches("```swift").count(), "every block names its file");
    for cut in cuts {
        let (file, rest) = cut.split_once(" -->").expect("the comment ends");
        let code = rest
            .split("```")
            .nth(1)
            .and_then(|block| block.strip_prefix("swift\n"))
            .expect("a block follows");
        let source =
            fs::read_to_string(workspace().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(plain(&source).contains(&plain(code)), "{file} has not these lines:\n{code}");
    }
}
