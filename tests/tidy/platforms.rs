//! Where code may depend on the platform.

use super::{Source, report, sources};

/// Where `cfg` may ask for a platform on any line. Elsewhere in `src` it stands only on `mod` and
/// `pub use` lines.
const SEAM: [&str; 2] = ["sys/", "runtime/reactor/alarm.rs"];

/// Code for Unix alone: it may name descriptors and the traits of `std::os`. Whole folders and
/// files, so that a port leaves out their `mod` lines.
const FOR_UNIX: [&str; 14] = [
    "sys/unix/",
    "runtime/reactor/alarm.rs",
    "runtime/reactor/descriptor.rs",
    "runtime/doors/descriptor.rs",
    "io/async_fd/",
    "io/descriptor.rs",
    "io/pipe/",
    "io/stdio/",
    "fs/unix.rs",
    "net/unix/",
    "net/udp/mmsg.rs",
    "signal/",
    "process/",
    "tokio/",
];

/// The words that ask for a platform. The width of pointers is not one.
const PLATFORM: [&str; 7] =
    ["unix", "windows", "target_os", "target_family", "target_vendor", "target_env", "target_arch"];

/// The text up to the parenthesis that closes the one at its start.
fn in_parentheses(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

/// The item that the attributes at the start of `code` belong to.
fn without_attributes(code: &str) -> &str {
    let mut rest = code.trim_start();
    while let Some(attribute) = rest.strip_prefix("#[") {
        let mut depth = 1;
        let end = attribute.find(|c| {
            depth += i32::from(c == '[') - i32::from(c == ']');
            depth == 0
        });
        rest = attribute[end.map_or(attribute.len(), |end| end + 1)..].trim_start();
    }
    rest
}

/// Whether an item is a module or a re-export.
fn is_mod_or_pub_use(item: &str) -> bool {
    let Some(rest) = item.strip_prefix("pub") else { return item.starts_with("mod ") };
    let rest = rest.trim_start();
    let rest = if rest.starts_with('(') { &rest[in_parentheses(rest).len() + 1..] } else { rest };
    rest.trim_start().starts_with("mod ") || rest.trim_start().starts_with("use ")
}

/// The lines on which `cfg` asks for a platform but chooses neither a module nor a re-export.
fn misplaced(source: &Source) -> Vec<usize> {
    let mut lines = Vec::new();
    for word in ["cfg", "cfg_attr"] {
        for at in source.words(word) {
            let condition = source.code[at + word.len()..].trim_start_matches('!');
            let is_macro = source.code[at + word.len()..].starts_with('!');
            let condition = in_parentheses(condition);
            let asks = PLATFORM.iter().any(|name| {
                condition.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == *name)
            });
            let start = source.code[..at].rfind('#').unwrap_or(at);
            let is_choice = is_mod_or_pub_use(without_attributes(&source.code[start..]));
            if asks && (is_macro || !is_choice) {
                lines.push(source.line_of(at));
            }
        }
    }
    lines
}

#[test]
fn only_the_seam_asks_for_a_platform() {
    let mut complaints = Vec::new();
    for source in sources("src") {
        if SEAM.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        for line in misplaced(&source) {
            complaints.push(format!(
                "src/{}:{line}: move what differs between platforms into src/sys/, under a name that all of them can have",
                source.path
            ));
        }
    }
    report(&complaints);
}

#[test]
fn portable_code_names_no_descriptors() {
    let words = ["AsFd", "AsRawFd", "BorrowedFd", "OwnedFd", "RawFd", "nix", "rustix"];
    let mut complaints = Vec::new();
    for source in sources("src") {
        if FOR_UNIX.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        let tests = source.code.find("\nmod tests").unwrap_or(source.code.len());
        for word in words {
            for at in source.words(word).into_iter().filter(|&at| at < tests) {
                complaints.push(format!(
                    "src/{}:{}: `{word}` is of Unix: use a name of src/sys/, or move the code to a folder for Unix, such as net/unix/",
                    source.path,
                    source.line_of(at)
                ));
            }
        }
    }
    report(&complaints);
}

#[test]
fn misplaced_conditions_are_found() {
    let lines = |code: &str| {
        misplaced(&Source { path: String::new(), text: String::new(), code: code.to_owned() })
    };
    assert_eq!(lines("\n#[cfg(unix)]\nfn f() {}"), [2]);
    assert_eq!(lines("#[cfg(all(test, not(target_os = \"\")))]\n#[inline]\nuse x::y;"), [1]);
    assert_eq!(lines("if cfg!(windows) {}"), [1]);
    assert_eq!(lines("#[cfg_attr(target_vendor = \"\", inline)]\npub fn f() {}"), [1]);
    assert_eq!(lines("#[cfg(unix)]\n#[path = \"\"]\npub(crate) mod a;"), []);
    assert_eq!(lines("#[cfg(unix)]\nmod a {}\n#[cfg(unix)]\npub(super) use a::b;"), []);
    assert_eq!(lines("#[cfg(feature = \"\")]\nfn unix() {}\n#[cfg(test)]\nfn f() {}"), []);
}
