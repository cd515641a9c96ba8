//! What a browser calls itself, reduced to the words by which a person knows it. They stay the same when it is updated.

use std::fmt;

/// `Firefox on Linux`; what is known of it, or `an unknown browser`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browser(String);

/// In this order: most of them also say that they are one further down. As `sdk-wasm/npm/src/labels.ts` has them.
const BROWSERS: [(&str, &str); 12] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
    ("Mozilla/", "a browser"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

impl Browser {
    /// From a `User-Agent`.
    pub fn of(user_agent: &str) -> Self {
        let find = |list: &[(&str, &'static str)]| {
            list.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
        };
        let name = find(&BROWSERS).unwrap_or("an unknown browser");
        Self(find(&SYSTEMS).map_or_else(|| name.to_owned(), |system| format!("{name} on {system}")))
    }

    /// As it was stored.
    pub fn from_stored(name: String) -> Self {
        Self(name)
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Browser;

    #[test]
    fn a_browser_keeps_its_name_when_it_is_updated() {
        let chrome = |version: u8| {
            format!("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/{version}.0.0.0 Safari/537.36")
        };
        assert_eq!(Browser::of(&chrome(150)), Browser::of(&chrome(151)));
        assert_eq!(Browser::of(&chrome(150)).as_str(), "Chrome on Linux");
        let edge = format!("{} Edg/150.0", chrome(150));
        assert_eq!(Browser::of(&edge).as_str(), "Edge on Linux");
        let firefox = "Mozilla/5.0 (Macintosh; Intel Mac OS X 15.1; rv:150.0) Gecko/20100101 Firefox/150.0";
        assert_eq!(Browser::of(firefox).as_str(), "Firefox on macOS");
        assert_eq!(Browser::of("").as_str(), "an unknown browser");
    }
}
