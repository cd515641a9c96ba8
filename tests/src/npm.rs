//! The npm package as it is published: packed, unpacked beside what it is checked with, under `target/npm`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use axum::{
    Router,
    extract::{Path as UrlPath, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

use crate::build::{artifact, run, target, workspace};

/// A folder with `app`, `checks` and `build.mjs` of `tests/npm`, and the package among its `node_modules`.
///
/// # Panics
/// When the package is not made (`cargo xtask dist --only npm`), or npm does not install.
pub fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let (from, to) = (workspace().join("tests/npm"), target().join("npm"));
        fs::create_dir_all(&to).expect("target can be written to");
        install(&from, &to);
        for folder in ["app", "checks", "out"] {
            let _ = fs::remove_dir_all(to.join(folder));
        }
        for folder in ["app", "checks"] {
            fs::create_dir_all(to.join(folder)).expect("target can be written to");
            for file in fs::read_dir(from.join(folder)).expect("the folder is there") {
                let file = file.expect("the folder can be read");
                fs::copy(file.path(), to.join(folder).join(file.file_name())).expect("the file is copied");
            }
        }
        fs::copy(from.join("build.mjs"), to.join("build.mjs")).expect("the file is copied");
        unpack(&to);
        to
    })
}

/// The packed package, as `cargo xtask dist` makes it.
pub fn tarball() -> PathBuf {
    artifact(&format!("passkey-accounts-{}.tgz", env!("CARGO_PKG_VERSION")))
}

/// Builds the app with a bundler, once per test run, and returns the folder with what came out.
///
/// # Panics
/// When the bundler fails; says what it printed.
pub fn build_app(bundler: &str) -> PathBuf {
    static BUILT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let out = format!("out/{bundler}");
    // Held while it builds: tests that run at the same time share what comes out.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if !built.contains(bundler) {
        run(Command::new("node").args(["build.mjs", bundler, &out]).current_dir(installed()));
        built.insert(bundler.to_owned());
    }
    drop(built);
    installed().join(out)
}

/// Serves a folder on a port of its own and returns its origin, `http://localhost:port`.
///
/// # Panics
/// When no port is free.
pub async fn serve(folder: PathBuf) -> String {
    serve_and_note(folder).await.0
}

/// As [`serve`]; the files that were asked for, and were there, are noted.
///
/// # Panics
/// When no port is free.
pub async fn serve_and_note(folder: PathBuf) -> (String, Requested) {
    let listener = TcpListener::bind("localhost:0").await.expect("a port is free");
    let requested = Requested::default();
    let port = listener.local_addr().expect("a bound listener has an address").port();
    let router = Router::new()
        .route("/", axum::routing::get(|folder| file(UrlPath("index.html".to_owned()), folder)))
        .route("/{*path}", axum::routing::get(file))
        .with_state((folder, Arc::clone(&requested)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://localhost:{port}"), requested)
}

/// Paths in a folder.
pub type Requested = Arc<Mutex<BTreeSet<String>>>;

async fn file(
    UrlPath(path): UrlPath<String>,
    State((folder, requested)): State<(PathBuf, Requested)>,
) -> Response {
    let Ok(content) = fs::read(folder.join(&path)) else { return StatusCode::NOT_FOUND.into_response() };
    requested.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
    let kind = match Path::new(&path).extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html",
        Some("js" | "mjs") => "text/javascript",
        Some("wasm") => "application/wasm",
        Some("css") => "text/css",
        _ => "application/octet-stream",
    };
    ([(header::CONTENT_TYPE, kind)], content).into_response()
}

/// `npm ci`, unless it was done with this very lockfile.
fn install(from: &Path, to: &Path) {
    let (lockfile, done) = (from.join("package-lock.json"), to.join("installed-lock.json"));
    let wanted = fs::read(&lockfile).expect("the lockfile is there");
    if fs::read(&done).is_ok_and(|installed| installed == wanted) {
        return;
    }
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(from.join(name), to.join(name)).expect("the file is copied");
    }
    run(npm().arg("ci").current_dir(to));
    fs::write(done, wanted).expect("target can be written to");
}

/// Unpacks the artifact where imports look for it.
fn unpack(to: &Path) {
    let folder = to.join("node_modules/passkey-accounts");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("target can be written to");
    run(Command::new("tar").arg("-xzf").arg(tarball()).args(["--strip-components", "1", "-C"]).arg(folder));
}

fn npm() -> Command {
    let mut npm = Command::new("npm");
    npm.args(["--no-fund", "--no-audit", "--no-update-notifier", "--loglevel=error"]);
    npm
}
