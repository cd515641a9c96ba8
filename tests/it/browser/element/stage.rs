//! Where scenes are played: the element alone or a page of the site, a fake client, and the site's own strict policy.

use std::{
    fs,
    path::{Path, PathBuf},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use passkey_accounts_tests::{
    TestServer,
    build::{axe_script, target},
    chromium::{Chromium, Page},
};
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::browser::dist;

/// A server of the test's own files; everything else is the real site's.
pub(super) struct Stage {
    site: TestServer,
    browser: Chromium,
    origin: String,
}

/// How a page is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Light,
    Dark,
    RightToLeft,
    Narrow,
    ForcedColors,
}

/// What a scene shows.
#[derive(Debug, Deserialize)]
pub(super) struct Shown {
    pub(super) screen: String,
    pub(super) text: String,
}

impl Look {
    pub(super) const ALL: [Self; 5] =
        [Self::Light, Self::Dark, Self::RightToLeft, Self::Narrow, Self::ForcedColors];

    const fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
            Self::RightToLeft => "rtl",
            Self::Narrow => "narrow",
            Self::ForcedColors => "forced",
        }
    }

    async fn apply(self, page: &Page, width: u32) {
        let scheme = if self == Self::Dark { "dark" } else { "light" };
        let forced = if self == Self::ForcedColors { "active" } else { "none" };
        // What 400 % zoom leaves of a screen that is 1,280 pixels wide, and of a small telephone.
        let width = if self == Self::Narrow { 320 } else { width };
        let features = [("prefers-color-scheme", scheme), ("forced-colors", forced)];
        page.emulate(width, &features).await.unwrap();
        let direction = if self == Self::RightToLeft { "rtl" } else { "ltr" };
        page.evaluate(&format!("document.documentElement.dir = '{direction}'")).await.unwrap();
    }
}

impl Stage {
    pub(super) async fn start() -> Self {
        assert!(dist().join("element.js").is_file(), "the npm package is not built: run `cargo xtask build`");
        let site = TestServer::start_in_real_time().await;
        let listener = TcpListener::bind("localhost:0").await.unwrap();
        let origin = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let router = Router::new().fallback(serve).with_state(site.origin());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { site, browser: Chromium::launch().await.unwrap(), origin }
    }

    /// The element alone, with the scenes loaded.
    pub(super) async fn open_element(&self) -> Page {
        let page = self.browser.open(&format!("{}/page.html", self.origin)).await.unwrap();
        page.evaluate("import('/scenes.js').then(() => 0)").await.unwrap();
        page
    }

    /// The account page, with its scenes loaded.
    pub(super) async fn open_account(&self) -> Page {
        let page = self.browser.open(&format!("{}/account", self.origin)).await.unwrap();
        page.evaluate("import('/account-scenes.js').then(() => 0)").await.unwrap();
        page
    }

    /// What the page logged, but for one thing: the stage is not an origin of the real site's app, whose client the
    /// account page makes before a scene gives it the fake one.
    pub(super) fn complaints(&self, page: &Page) -> Vec<String> {
        let refused = format!("'{}?", self.site.gateway_url());
        page.logged().into_iter().filter(|entry| !entry.contains(&refused)).collect()
    }
}

/// Plays every scene in one look: axe finds nothing, nothing is wider than the screen, every target is large enough. A
/// picture of each is kept in `target/screenshots`.
pub(super) async fn inspect(page: &Page, look: Look, folder: &str, width: u32) -> Vec<String> {
    look.apply(page, width).await;
    page.evaluate(&format!("{};0", axe_script())).await.unwrap();
    let pictures = target().join("screenshots").join(folder).join(look.name());
    fs::create_dir_all(&pictures).unwrap();
    let names: Vec<String> = read(page, "names").await;
    assert!(names.len() > 10, "the scenes are loaded: {names:?}");
    let mut faults = Vec::new();
    for name in names {
        play(page, &name).await;
        let found: Vec<String> = read(page, FAULTS).await;
        faults.extend(found.into_iter().map(|fault| format!("{} / {name}: {fault}", look.name())));
        fs::write(picture(&pictures, &name), page.screenshot().await.unwrap()).unwrap();
    }
    faults
}

/// Brings a scene about.
pub(super) async fn play(page: &Page, name: &str) -> Shown {
    read(page, &format!("play({name:?})")).await
}

pub(super) async fn read<T: for<'de> Deserialize<'de>>(page: &Page, expression: &str) -> T {
    let value = page.evaluate(expression).await.unwrap_or_else(|error| panic!("{expression}: {error:#}"));
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{expression}: {error}"))
}

/// What axe finds, a page that scrolls sideways, targets below the 24 pixels of WCAG 2.2. Links within a sentence are
/// exempt there, and a list of links in the site's footer or text is left to axe.
const FAULTS: &str = "(async () => {
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    const faults = violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} ${target} ${failureSummary}`));
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) faults.push(`${scrollWidth} wide on a screen of ${clientWidth}`);
    const login = document.querySelector('passkey-login').shadowRoot;
    const targets = [...document.querySelectorAll('main button'), ...login.querySelectorAll('button, input')];
    for (const each of targets.filter((each) => each.checkVisibility())) {
        const { width, height, left, right } = each.getBoundingClientRect();
        if (left < 0 || right > clientWidth) faults.push(`${each.textContent} lies outside of the screen`);
        if (width < 24 || height < 24) faults.push(`${each.textContent} is ${width} by ${height} pixels`);
    }
    return faults;
})()";

fn picture(folder: &Path, scene: &str) -> PathBuf {
    let name: String =
        scene.chars().map(|each| if each.is_ascii_alphanumeric() { each } else { '-' }).collect();
    folder.join(format!("{name}.png"))
}

async fn serve(State(site): State<String>, uri: Uri) -> Response {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("it/browser/element")
        .join(uri.path().trim_start_matches('/'));
    // The policy of the real site, also for the files of the test.
    let Ok(answer) = reqwest::get(format!("{site}{}", uri.path())).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let mut headers = HeaderMap::new();
    for name in [header::CONTENT_TYPE, header::CONTENT_SECURITY_POLICY] {
        if let Some(value) = answer.headers().get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let Ok(content) = fs::read(&own) else {
        let status = answer.status();
        return (status, headers, answer.bytes().await.unwrap_or_default()).into_response();
    };
    let is_page = own.extension().is_some_and(|extension| extension == "html");
    let kind = if is_page { "text/html; charset=utf-8" } else { "text/javascript; charset=utf-8" };
    headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
    (headers, content).into_response()
}
